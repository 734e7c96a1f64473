//go:build linux

package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The pages on errors have the texts of the programs: a new hint, operation or error
// without an entry fails here.
func TestTroubleshooting(t *testing.T) {
	var text []byte
	for _, name := range []string{"troubleshooting.md", "rare-errors.md"} {
		part, err := FS.ReadFile(name)
		require.NoError(t, err)
		text = append(text, part...)
	}
	page := strings.Join(strings.Fields(string(text)), " ")
	has := func(t *testing.T, said []phrase) {
		require.NotEmpty(t, said)
		for _, p := range said {
			assert.True(t, strings.Contains(page, p.text),
				"docs/troubleshooting.md has no %q, of %s", p.text, p.at)
		}
	}
	t.Run("hints", func(t *testing.T) {
		for _, file := range []string{"cgroup", "container", "exec", "first", "hints"} {
			has(t, phrases(t, "../internal/cause/"+file+".go", isCause))
		}
		for _, file := range sources(t, "../beyond/internal/*/*hints.go") {
			has(t, phrases(t, file, isCause))
		}
		has(t, phrases(t, "../binlibdepcp/main.go",
			func(n ast.Node) bool { return isFunc(n, "hint") }))
		has(t, phrases(t, "../workshop/doctor/explain.go", isText))
		has(t, phrases(t, "../workshop/trace/why.go",
			func(n ast.Node) bool { return isFunc(n, "why") }))
	})
	t.Run("operations", func(t *testing.T) {
		var all []phrase
		for _, dir := range []string{
			"common", "internal/job",
			"internal/linux", "step*", "beyond/*", "beyond/internal/*",
		} {
			all = append(all, operations(t, "../"+dir+"/*.go")...)
		}
		require.NotEmpty(t, all)
		for _, op := range append(all,
			phrase{"mkdir", "os.MkdirAll in step6-chroot/main.go"}) {
			assert.True(t, strings.Contains(page, "`"+op.text+" "),
				"docs/troubleshooting.md has no `%s OBJECT...`, of %s", op.text, op.at)
		}
	})
	t.Run("errors", func(t *testing.T) {
		all := func(wanted func(ast.Node) bool, patterns ...string) {
			for _, pattern := range patterns {
				for _, file := range sources(t, "../"+pattern) {
					if said := phrases(t, file, wanted); len(said) > 0 {
						has(t, said)
					}
				}
			}
		}
		all(isError, "common/*.go", "internal/cmdline/*.go", "step*/main.go",
			"beyond/*/main.go", "beyond/internal/*/*.go", "binlibdepcp/*.go")
		// Below them are errors of single bytes in a damaged file, which have one entry.
		all(isErrorVariable, "binlibdepcp/ldso/*.go", "binlibdepcp/jail/*.go")
	})
}

// A phrase is a part of a text that a program prints, and where that stands.
type phrase struct{ text, at string }

// varies is what has no fixed text on the screen: verbs of package fmt, the names that
// hints are made of, an end of line.
var varies = regexp.MustCompile(
	`%[.0-9]*[a-z]|OBJECT|PROGRAM|SELF|SUDO|JAIL|FILL|EMULATOR|WSL|FILES|\n`)

// phrases returns the fixed parts, of two words or more, of the texts in the parts of a
// Go file that are wanted.
func phrases(t *testing.T, file string, wanted func(ast.Node) bool) (found []phrase) {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	ast.Inspect(parsed, func(n ast.Node) bool {
		if n == nil || !wanted(n) {
			return true
		}
		ast.Inspect(n, func(inner ast.Node) bool {
			if isError(n) && inner != n && isCallOfAny(inner) {
				return false // what that takes isn't printed as it is
			}
			literal, ok := inner.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			for _, part := range varies.Split(text, -1) {
				words := strings.Fields(part)
				if len(words) > 1 && strings.ContainsAny(part,
					"abcdefghijklmnopqrstuvwxyz") {
					found = append(found, phrase{strings.Trim(strings.Join(words, " "),
						`"()`), fset.Position(literal.Pos()).String()})
				}
			}
			return true
		})
		return false
	})
	return found
}

func isFunc(n ast.Node, name string) bool {
	f, ok := n.(*ast.FuncDecl)
	return ok && f.Name.Name == name
}

// isCause reports whether n is a text of package cause, or of what it is made of: a
// literal of a Cause or a need, a field of such a one that is set or added to.
func isCause(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CompositeLit:
		name, ok := n.Type.(*ast.Ident)
		if selector, isSelector := n.Type.(*ast.SelectorExpr); isSelector {
			name, ok = selector.Sel, true
		}
		return ok && (name.Name == "Cause" || name.Name == "need")
	case *ast.AssignStmt:
		field, ok := n.Lhs[0].(*ast.SelectorExpr)
		return ok && (field.Sel.Name == "Text" || field.Sel.Name == "Command")
	case *ast.ValueSpec:
		return n.Names[0].Name == "privilege" // and what is beside it
	}
	return false
}

// isText reports whether n is the text of a cause in workshop doctor.
func isText(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		key, ok := n.Key.(*ast.Ident)
		return ok && key.Name == "Text"
	case *ast.AssignStmt:
		field, ok := n.Lhs[0].(*ast.SelectorExpr)
		return ok && field.Sel.Name == "Text"
	}
	return false
}

// isError reports whether n makes an error of a text.
func isError(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	return ok && (isCall(call, "errors", "New") || isCall(call, "fmt", "Errorf"))
}

// isErrorVariable reports whether n declares errors outside of functions, or more.
func isErrorVariable(n ast.Node) bool {
	spec, ok := n.(*ast.ValueSpec)
	if !ok || len(spec.Values) != 1 || !isError(spec.Values[0]) {
		return false
	}
	return strings.HasPrefix(strings.ToLower(spec.Names[0].Name), "err")
}

func isCallOfAny(n ast.Node) bool {
	_, ok := n.(*ast.CallExpr)
	return ok
}

func isCall(call *ast.CallExpr, pkg, name string) bool {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return pkg == "common" && f.Name == name
	case *ast.SelectorExpr:
		x, ok := f.X.(*ast.Ident)
		return ok && x.Name == pkg && f.Sel.Name == name
	}
	return false
}

// operations returns what the calls of Failed, in common and linux, say that was tried.
func operations(t *testing.T, pattern string) (found []phrase) {
	for _, file := range sources(t, pattern) {
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			if isFunc(n, "Failed") { // it hands on what it is called with
				return false
			}
			call, ok := n.(*ast.CallExpr)
			if !ok || !isCall(call, "common", "Failed") &&
				!isCall(call, "linux", "Failed") {
				return true
			}
			at := fset.Position(call.Pos()).String()
			literal, ok := call.Args[0].(*ast.BasicLit)
			if assert.True(t, ok,
				"%s: an operation that isn't a constant can't be looked for", at) {
				text, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)
				found = append(found, phrase{text, at})
			}
			return true
		})
	}
	return found
}

// sources returns the Go files of a pattern that are no tests.
func sources(t *testing.T, pattern string) (files []string) {
	all, err := filepath.Glob(pattern)
	require.NoError(t, err)
	for _, file := range all {
		if !strings.HasSuffix(file, "_test.go") {
			files = append(files, file)
		}
	}
	require.NotEmpty(t, files, pattern)
	return files
}

// foreign are headings with texts of other programs, which the page doesn't provoke on
// every machine; and a program's single words.
var foreign = []string{
	"make: go: No such file or directory",
	"go: go.mod requires go >= 1.25.0 (running go VERSION; GOTOOLCHAIN=local)",
	"go: download go1.25.0 for OS/ARCH: toolchain not available",
	`Get "https://PROXY/FILE": dial tcp: lookup PROXY on SERVER: no such host`,
	"bash: bin/step1-pid: Permission denied",
	"bash: bin/step1-pid: cannot execute binary file: Exec format error",
	"runtime: epollcreate failed with 24",
	"fatal error: failed to reserve page summary memory",
	"unshare: write failed /proc/self/uid_map: Operation not permitted",
	"mount: DIRECTORY: permission denied.",
	"fatal library error, lookup self",
	"bash: /dev/null: No such file or directory",
	"I have no name!",
	"TERM environment variable not set",
	"bash: kill: (N) - No such process",
	"RTNETLINK answers: Operation not permitted",
	"Cannot set tty process group (No such process)",
	"There are stopped jobs.",
	"workshop doctor", "workshop trace", "can't", "unknown", "removed: THING",
	"left: THING: REASON",
}

// A heading is an error's exact text, since a person searches the page for it: the page
// shows it as an output, or the text is in the sources, or a system call's error.
func TestHeadings(t *testing.T) {
	text, err := FS.ReadFile("troubleshooting.md")
	require.NoError(t, err)
	var shown, printed []string // fixed parts of what the page shows, of what programs print
	for _, block := range regexp.MustCompile("(?ms)^```text[^\n]*\n(.*?)^```$").
		FindAllStringSubmatch(string(text), -1) {
		shown = append(shown, strings.Split(block[1], "\n")...)
	}
	for _, dir := range []string{
		"common", "internal/*", "step*", "binlibdepcp", "binlibdepcp/*", "workshop/*",
		"beyond/*", "beyond/internal/*",
	} {
		files, err := filepath.Glob("../" + dir + "/*.go")
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || strings.Contains(file, "steptest") {
				continue
			}
			for _, p := range phrases(t, file, isLiteral) {
				printed = append(printed, p.text)
			}
		}
	}
	ops := []string{"mkdir", "open", "copy", "write", "mknod", "kill child"}
	for _, dir := range []string{
		"common", "internal/job", "internal/linux", "step*", "beyond/*", "beyond/internal/*",
	} {
		for _, op := range operations(t, "../"+dir+"/*.go") {
			ops = append(ops, op.text)
		}
	}
	for _, h := range headings(string(text)) {
		varying := regexp.MustCompile(`-?[A-Z]{2,}\b|\bN\b`).ReplaceAllString(
			regexp.QuoteMeta(h), ".+")
		onPage := regexp.MustCompile(varying)
		switch {
		case slices.ContainsFunc(shown, onPage.MatchString):
		case slices.ContainsFunc(printed, func(p string) bool {
			return strings.Contains(h, p)
		}):
		case isSystemCall(h, ops), slices.Contains(foreign, h):
		default:
			t.Errorf("docs/troubleshooting.md: no program is known to print %q", h)
		}
	}
}

// isSystemCall reports whether an error reads "operation object: errno text".
func isSystemCall(text string, ops []string) bool {
	at := strings.LastIndex(text, ": ")
	reasons := []string{"stopped"} // by a signal
	for errno := range syscall.Errno(134) {
		reasons = append(reasons, errno.Error())
	}
	return at > 0 && slices.Contains(reasons, text[at+2:]) &&
		slices.ContainsFunc(ops, func(op string) bool {
			return strings.HasPrefix(text, op+" ")
		})
}

// headings returns the texts in backquotes of the headings of the third level.
func headings(page string) (texts []string) {
	line := regexp.MustCompile(`(?m)^### (.*)$`)
	code := regexp.MustCompile("`([^`]+)`")
	for _, heading := range line.FindAllStringSubmatch(page, -1) {
		for _, text := range code.FindAllStringSubmatch(heading[1], -1) {
			texts = append(texts, text[1])
		}
	}
	return texts
}

func isLiteral(n ast.Node) bool {
	literal, ok := n.(*ast.BasicLit)
	return ok && literal.Kind == token.STRING
}
