// Package docs holds the chapters and their pictures.
package docs

import "embed"

// FS has the chapters, NAME.md, and beside them what they show.
//
//go:embed *.md *.svg picture/*.svg
var FS embed.FS
