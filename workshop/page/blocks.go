package page

import (
	"bytes"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// A Block is a fenced block and the HTML comment before it. The block may have no
// comment, and the comment no block.
type Block struct {
	Comment  string // its text
	Fenced   bool   // there is a block
	Language string // the first word behind the fence
	Nested   bool   // in a list or a quotation
	Line     int    // where the content of the block begins, or else the comment
	// Start and Stop are the offsets of the content of the block.
	Start, Stop int
}

// Blocks returns the fenced blocks of a page that have a language, and the comments
// without a block, in their order.
func Blocks(source []byte) (blocks []Block) {
	document := markdown.Parser().Parse(text.NewReader(source))
	_ = ast.Walk(document, func(n ast.Node, enter bool) (ast.WalkStatus, error) {
		if !enter {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.HTMLBlock:
			if _, ok := n.NextSibling().(*ast.FencedCodeBlock); !ok {
				b := Block{Comment: comment(htmlText(n, source)), Line: line(n, source)}
				blocks = append(blocks, b)
			}
		case *ast.FencedCodeBlock:
			if n.Info != nil {
				blocks = append(blocks, fenced(n, source))
			}
		}
		return ast.WalkContinue, nil
	})
	return blocks
}

func fenced(n *ast.FencedCodeBlock, source []byte) Block {
	b := Block{
		Fenced:   true,
		Language: string(n.Language(source)),
		Nested:   n.Parent().Kind() != ast.KindDocument,
		Line:     line(n, source),
	}
	if html, ok := n.PreviousSibling().(*ast.HTMLBlock); ok {
		b.Comment = comment(htmlText(html, source))
	}
	b.Start = n.Info.Segment.Stop
	b.Start += 1 + bytes.IndexByte(source[b.Start:], '\n')
	b.Stop = b.Start
	if lines := n.Lines(); lines.Len() > 0 {
		b.Stop = lines.At(lines.Len() - 1).Stop
	}
	return b
}
