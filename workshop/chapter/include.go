package chapter

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	gast "github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// Include returns a page with the code that it shows as the sources have it now. In
// front of each block go or diff stands a comment that says what it shows:
//
//	<!-- include FILE NAME... -->     functions, types or values of a source file, the
//	                                  method M of T as T.M, or no name for all of it
//	<!-- diff FILE FILE [NAME...] --> what they are in the one, and in the other
//
// Errors begin with the file and the line.
func Include(file string, page []byte, sources fs.FS) ([]byte, error) {
	type change struct {
		start, stop int
		content     string
	}
	var changes []change
	document := markdown.Parser().Parse(text.NewReader(page))
	err := gast.Walk(document, func(n gast.Node, enter bool) (gast.WalkStatus, error) {
		if html, ok := n.(*gast.HTMLBlock); ok && enter {
			words := strings.Fields(comment(htmlText(html, page)))
			next, _ := n.NextSibling().(*gast.FencedCodeBlock)
			if len(words) > 0 && (words[0] == "include" || words[0] == "diff") && next == nil {
				return gast.WalkStop, fmt.Errorf("%s:%d: no block behind the comment", file, line(n, page))
			}
		}
		block, ok := n.(*gast.FencedCodeBlock)
		if !ok || !enter || block.Info == nil {
			return gast.WalkContinue, nil
		}
		language := string(block.Language(page))
		var words []string
		if html, ok := n.PreviousSibling().(*gast.HTMLBlock); ok {
			words = strings.Fields(comment(htmlText(html, page)))
		}
		var content string
		var err error
		switch {
		case (language == "go" || language == "diff") && n.Parent().Kind() != gast.KindDocument:
			err = fmt.Errorf("code in a list or a quotation isn't included: put it at the left edge")
		case language == "go" && len(words) > 1 && words[0] == "include":
			content, err = declarations(sources, words[1], words[2:])
		case language == "diff" && len(words) > 2 && words[0] == "diff":
			content, err = difference(sources, words[1], words[2], words[3:])
		case language == "go":
			err = fmt.Errorf("code comes from a source, by a comment before the block: <!-- include FILE NAME... -->")
		case language == "diff":
			err = fmt.Errorf("a diff comes from sources, by a comment before the block: <!-- diff FILE FILE [NAME...] -->")
		default:
			return gast.WalkContinue, nil
		}
		if err != nil {
			return gast.WalkStop, fmt.Errorf("%s:%d: %w", file, line(n, page), err)
		}
		start := block.Info.Segment.Stop
		start += 1 + bytes.IndexByte(page[start:], '\n')
		stop := start
		if lines := block.Lines(); lines.Len() > 0 {
			stop = lines.At(lines.Len() - 1).Stop
		}
		changes = append(changes, change{start, stop, content})
		return gast.WalkContinue, nil
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(changes) // from the end, so that positions stay
	for _, c := range changes {
		page = slices.Concat(page[:c.start], []byte(c.content), page[c.stop:])
	}
	return page, nil
}

// declarations returns declarations of a Go file with their comments, in the order of
// the names.
func declarations(sources fs.FS, file string, names []string) (string, error) {
	source, err := fs.ReadFile(sources, file)
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return string(source), nil
	}
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, name := range names {
		start, end := find(parsed, name)
		if !start.IsValid() {
			return "", fmt.Errorf("%s has no %s", file, name)
		}
		parts = append(parts, string(source[fset.Position(start).Offset:fset.Position(end).Offset])+"\n")
	}
	return strings.Join(parts, "\n"), nil
}

func find(file *ast.File, name string) (start, end token.Pos) {
	for _, declaration := range file.Decls {
		var doc *ast.CommentGroup
		found := false
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			doc, found = d.Doc, receiver(d)+d.Name.Name == name
		case *ast.GenDecl:
			doc = d.Doc
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					found = found || s.Name.Name == name
				case *ast.ValueSpec:
					found = found || slices.ContainsFunc(s.Names, func(n *ast.Ident) bool { return n.Name == name })
				}
			}
		}
		if found && doc != nil {
			return doc.Pos(), declaration.End()
		}
		if found {
			return declaration.Pos(), declaration.End()
		}
	}
	return token.NoPos, token.NoPos
}

func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "."
	}
	return ""
}

// difference compares declarations of two files. One that only the second has is new.
func difference(sources fs.FS, before, after string, names []string) (string, error) {
	var old []string
	for _, name := range names {
		if text, err := declarations(sources, before, []string{name}); err == nil {
			old = append(old, text)
		}
	}
	x := strings.Join(old, "\n")
	if len(names) == 0 {
		all, err := declarations(sources, before, nil)
		if err != nil {
			return "", err
		}
		x = all
	} else if _, err := fs.Stat(sources, before); err != nil {
		return "", err
	}
	y, err := declarations(sources, after, names)
	if err != nil {
		return "", err
	}
	if x == y {
		return "", fmt.Errorf("%s and %s don't differ there", before, after)
	}
	return udiff.Unified(before, after, x, y), nil
}
