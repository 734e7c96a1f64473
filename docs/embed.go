// Package docs holds the chapters, their pictures, and the diffs between the steps.
package docs

import "embed"

// FS has the chapters, NAME.md, and beside them what they show; diff/STEP.diff is what a
// step adds to its base.
//
//go:embed *.md picture/*.svg diff/*.diff
var FS embed.FS
