package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	markdown "github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// Words and constructions that make a text hard to read, or that few learners of English
// know.
var unclear = []struct {
	why  string
	text *regexp.Regexp
}{
	{"say fix", regexp.MustCompile(`(?i)\bmend(s|ed|ing)?\b`)},
	{"say need or require", regexp.MustCompile(`(?i)\bwhat it takes\b`)},
	{"say doesn't have, is not", regexp.MustCompile(`(?i)\b(has|have|had)( not|n't)` +
		`([.,;:)!?]|$| (a|an|the|any|got|its|that|this|these|one|to|enough|and|or|but)\b)`)},
	{"inside is an adverb", regexp.MustCompile(`(?i)\b(the|an|its) inside\b(['’]s)?` +
		`|\binside['’]s\b`)},
	{"say belongs to", regexp.MustCompile(`\bis root's\b`)},
	{"say below, or under it", regexp.MustCompile(`(?i)\bbeneath\b`)},
	{"say both, or in the same way", regexp.MustCompile(`(?i)\b(alike|likewise)\b`)},
	{"say but", regexp.MustCompile(`(?i)\bnevertheless\b`)},
	{"name it", regexp.MustCompile(`(?i)\bwhatever (it|they) may be\b`)},
	{"say usually", regexp.MustCompile(`(?i)\bas a rule\b`)},
	{"say then, or again", regexp.MustCompile(`(?i)\bin (its|his|their) turn\b`)},
	{"say belongs in, or must be in", regexp.MustCompile(`(?i)\bbelongs? into\b`)},
	{"say side by side", regexp.MustCompile(`(?i)\bbeside each other\b`)},
	{"say is enough, or works", regexp.MustCompile(`(?i)\bwill do([.,;:)]|$)`)},
	{"say here, or present", regexp.MustCompile(`(?i)\bat hand\b`)},
	{"say again", regexp.MustCompile(`(?i)\b(anew|once more)\b`)},
	{"say permission", regexp.MustCompile(`(?i)\bnobody's leave\b`)},
	{"say look", regexp.MustCompile(`(?i)\bhave a look\b`)},
	{"say unlike", regexp.MustCompile(`\bOther than\b`)},
	{"say chose at random", regexp.MustCompile(`(?i)\b(took|takes|taken) by chance\b`)},
	{"say maximum", regexp.MustCompile(`(?i)\bgreatest\b`)},
}

// check fails for each unclear construction in a text.
func check(t *testing.T, at, prose string) {
	t.Helper()
	prose = strings.Join(strings.Fields(prose), " ")
	for _, u := range unclear {
		for _, hit := range u.text.FindAllStringIndex(prose, -1) {
			from, to := max(0, hit[0]-30), min(len(prose), hit[1]+30)
			t.Errorf("%s: %s: …%s…", at, u.why, prose[from:to])
		}
	}
}

func TestUnclear(t *testing.T) {
	for _, bad := range []string{
		"mends what is missing", "a mount that the host hasn't", "the host has not, but",
		"it hasn't got a handler", "The inside can't", "of the inside's own", "Likewise,",
		"As a rule one", "in its turn.", "any of them will do", "Other than a PID,",
		"nobody's leave", "Once more", "belongs into one directory",
	} {
		hits := 0
		for _, u := range unclear {
			hits += len(u.text.FindAllString(bad, -1))
		}
		assert.Equal(t, 1, hits, bad)
	}
	for _, good := range []string{
		"amend", "it has not been read", "the host hasn't changed", "inside the namespace",
		"the shell inside", "in turn", "what the kernel will do next", "no PID other than 1",
	} {
		for _, u := range unclear {
			assert.False(t, u.text.MatchString(good), good)
		}
	}
}

// The pages, and the texts and comments of the programs, are in plain English.
func TestPlainEnglish(t *testing.T) {
	for name, page := range allPages(t) {
		for _, block := range proseOf(t, page, false) {
			check(t, name, block)
		}
	}
	fset := token.NewFileSet()
	for _, name := range files(t, "..") {
		switch {
		case strings.HasSuffix(name, ".go"):
			file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
			require.NoError(t, err)
			checkGo(t, fset, file, !strings.HasSuffix(name, "_test.go"))
		case filepath.Base(name) == "Makefile", strings.HasSuffix(name, ".sh"),
			strings.HasSuffix(name, ".txtar"), strings.HasSuffix(name, ".yml"),
			strings.HasSuffix(name, ".yaml"), strings.HasSuffix(name, ".ci/run"):
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			check(t, name, strings.Join(comment.FindAllString(string(text), -1), "\n"))
		}
	}
}

// comment is one of a shell, a Makefile or a script of testscript.
var comment = regexp.MustCompile(`(?m)(^|\s)#+ .*$`)

// checkGo checks the comments of a Go file, and its strings, if they are a program's.
func checkGo(t *testing.T, fset *token.FileSet, file *ast.File, texts bool) {
	for _, group := range file.Comments {
		check(t, fset.Position(group.Pos()).String(), group.Text())
	}
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if ok && texts && literal.Kind == token.STRING {
			value, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			check(t, fset.Position(literal.Pos()).String(), value)
		}
		return true
	})
}

// files returns the files below a directory, without those that a build or test makes.
func files(t *testing.T, root string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root,
		func(name string, d fs.DirEntry, err error) error {
			switch base := d.Name(); {
			case err != nil:
				return err
			case d.IsDir() && (base == ".git" || base == ".cache" || base == "bin" ||
				base == "jail" && filepath.Dir(name) == root):
				return fs.SkipDir
			case d.Type().IsRegular():
				names = append(names, name)
			}
			return nil
		}))
	return names
}

// allPages returns the pages of this directory and those beside the sources.
func allPages(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for _, name := range files(t, "..") {
		if strings.HasSuffix(name, ".md") {
			page, err := os.ReadFile(name)
			require.NoError(t, err)
			found[strings.TrimPrefix(name, "../")] = page
		}
	}
	return found
}

// The pages are short enough to be read: the words outside code and folded parts.
func TestPagesAreShort(t *testing.T) {
	chapter := regexp.MustCompile(`^docs/[0-9]+-.*\.md$`)
	for name, page := range allPages(t) {
		limit := 0
		switch {
		case chapter.MatchString(name):
			limit = 1400
		}
		words := countWords(proseOf(t, page, true))
		if limit > 0 {
			assert.LessOrEqual(t, words, limit, "visible words of %s", name)
		}
	}
}

// A reader of the first page soon sees the 1 that shows that the machine is set up.
func TestFirstOne(t *testing.T) {
	page, err := os.ReadFile("0-setup.md")
	require.NoError(t, err)
	at := regexp.MustCompile("(?m)^```text output.*\n1\n```$").FindIndex(page)
	require.NotNil(t, at, "0-setup.md shows no output 1")
	assert.LessOrEqual(t, countWords(proseOf(t, page[:at[0]], true)), 300)
}

func countWords(blocks []string) (n int) {
	for _, block := range blocks {
		for word := range strings.FieldsSeq(block) {
			if strings.ContainsFunc(word, func(r rune) bool {
				return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
			}) {
				n++
			}
		}
	}
	return n
}

// proseOf returns the texts of a page outside code blocks: either those that are visible
// at once, with words of code in them, or all of them, without.
func proseOf(t *testing.T, page []byte, visible bool) (blocks []string) {
	t.Helper()
	tags := regexp.MustCompile(`(?s)<!--.*?-->|<[^>]*>`)
	folded := 0 // depth of <details>
	document := goldmark.DefaultParser().Parse(text.NewReader(page))
	require.NoError(t, markdown.Walk(document,
		func(n markdown.Node, enter bool) (markdown.WalkStatus, error) {
			if !enter {
				return markdown.WalkContinue, nil
			}
			switch n := n.(type) {
			case *markdown.HTMLBlock:
				html := string(n.Lines().Value(page))
				folded += strings.Count(html, "<details") - strings.Count(html, "</details")
				if !visible {
					blocks = append(blocks, tags.ReplaceAllString(html, ""))
				}
			case *markdown.Paragraph, *markdown.TextBlock, *markdown.Heading:
				if !visible || folded == 0 {
					blocks = append(blocks, inline(n, page, visible))
				}
				return markdown.WalkSkipChildren, nil
			}
			return markdown.WalkContinue, nil
		}))
	require.Zero(t, folded, "<details> without an end")
	return blocks
}

// inline returns the text of a paragraph.
func inline(n markdown.Node, page []byte, visible bool) string {
	var b strings.Builder
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		switch child := child.(type) {
		case *markdown.Text:
			b.Write(child.Value(page))
			if child.SoftLineBreak() || child.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *markdown.CodeSpan:
			if visible {
				b.WriteString(inline(child, page, visible))
			} else {
				b.WriteString("CODE")
			}
		case *markdown.Image:
			if !visible {
				b.WriteString(inline(child, page, visible))
			}
		default:
			b.WriteString(inline(child, page, visible))
		}
	}
	return b.String()
}
