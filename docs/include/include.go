package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"nsteps/workshop/page"
)

// include returns a page with the code that it shows as the sources have it now. In
// front of each block go or diff stands a comment that says what it shows:
//
//	<!-- include FILE NAME... -->     functions, types or values of a source file, the
//	                                  method M of T as T.M, or no name for all of it
//	<!-- diff FILE FILE [NAME...] --> what they are in the one, and in the other
//
// Errors begin with the file and the line.
func include(file string, text []byte, sources fs.FS) ([]byte, error) {
	blocks := page.Blocks(text)
	slices.Reverse(blocks) // from the end, so that positions stay
	var err error
	for _, b := range blocks {
		content, ok, e := code(b, sources)
		if e != nil {
			// of the first block, in the end
			err = fmt.Errorf("%s:%d: %w", file, b.Line, e)
		} else if ok {
			text = slices.Concat(text[:b.Start], []byte(content), text[b.Stop:])
		}
	}
	if err != nil {
		return nil, err
	}
	return text, nil
}

// code returns what a block has to show, unless it comes from no source.
func code(b page.Block, sources fs.FS) (content string, ok bool, err error) {
	words := strings.Fields(b.Comment)
	of := func(verb string, n int) bool { return len(words) > n && words[0] == verb }
	isGo, isDiff := b.Language == "go", b.Language == "diff"
	switch {
	case !b.Fenced && (of("include", 0) || of("diff", 0)):
		err = errors.New("no block behind the comment")
	case !isGo && !isDiff:
		return "", false, nil
	case b.Nested:
		err = errors.New("code in a list or a quotation isn't included: " +
			"put it at the left edge")
	case isGo && of("include", 1):
		content, err = declarations(sources, words[1], words[2:])
	case isDiff && of("diff", 2):
		content, err = difference(sources, words[1], words[2], words[3:])
	case isGo:
		err = errors.New("code comes from a source, by a comment before the block: " +
			"<!-- include FILE NAME... -->")
	default:
		err = errors.New("a diff comes from sources, by a comment before the block: " +
			"<!-- diff FILE FILE [NAME...] -->")
	}
	return content, true, err
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
	const mode = parser.ParseComments | parser.SkipObjectResolution
	parsed, err := parser.ParseFile(fset, file, source, mode)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, name := range names {
		start, end := find(parsed, name)
		if !start.IsValid() {
			return "", fmt.Errorf("%s has no %s", file, name)
		}
		from, to := fset.Position(start).Offset, fset.Position(end).Offset
		parts = append(parts, string(source[from:to])+"\n")
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
			found = slices.ContainsFunc(d.Specs, func(spec ast.Spec) bool {
				return declares(spec, name)
			})
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

// declares reports whether a specification is that of a type, constant or variable.
func declares(spec ast.Spec, name string) bool {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		return s.Name.Name == name
	case *ast.ValueSpec:
		return slices.ContainsFunc(s.Names, func(n *ast.Ident) bool {
			return n.Name == name
		})
	}
	return false
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
	text := string(diff.Diff(before, []byte(x), after, []byte(y)))
	_, text, _ = strings.Cut(text, "\n") // without the line "diff BEFORE AFTER"
	return text, nil
}
