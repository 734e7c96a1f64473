//go:build linux

package ldso

import (
	"errors"
	"fmt"
)

// Limits for what a program and its libraries may ask for, all together. They are far
// above what real programs need: the largest load some hundred files.
const (
	maxObjects  = 4096    // files loaded for a program
	maxWork     = 1 << 26 // bytes of the paths that are looked at for a program
	maxWarnings = 100     // for a program
	maxNames    = 100_000 // files of a directory
	maxHWCaps   = 64      // glibc-hwcaps subdirectories of an ld.so.cache
)

// MaxCache is how many bytes an ld.so.cache may have. One of a large system has 200 KB.
const MaxCache = 8 << 20

// ErrLimit is in the error of what exceeds a limit.
var ErrLimit = errors.New("more than the limit")

func limitError(n int, unit string) error {
	return fmt.Errorf("%w of %d %s",
		ErrLimit, n, unit)
}

// limit returns an error if the program has made more work than any program needs.
func (c *Closure) limit() error {
	var err error
	switch {
	case len(c.Objects) > maxObjects:
		err = limitError(maxObjects, "files to load")
	case c.linker.tree.work-c.begun > maxWork:
		err = limitError(maxWork, "bytes of paths to look at")
	default:
		return nil
	}
	return pathError("search for what is needed by", c.Program.Name, err)
}

// exceeded reports whether a limit is exceeded, and adds that to the problems.
func (c *Closure) exceeded() bool {
	err := c.limit()
	if err != nil {
		c.fail(err)
	}
	return err != nil
}

// fail adds a problem, once.
func (c *Closure) fail(err error) {
	if text := err.Error(); !c.said[text] {
		c.said[text] = true
		c.Problems = append(c.Problems, err)
	}
}

// warn adds a warning, once.
func (c *Closure) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if c.said[text] || len(c.Warnings) > maxWarnings {
		return
	}
	if len(c.Warnings) == maxWarnings {
		text = fmt.Sprintf("more than %d notes on %s", maxWarnings, c.Program.Name)
	}
	c.said[text] = true
	c.Warnings = append(c.Warnings, text)
}
