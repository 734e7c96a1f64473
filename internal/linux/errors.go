//go:build linux

package linux

import "io/fs"

// Failed returns the error of an operation on an object, for example "mount proc on
// /proc: operation not permitted". It unwraps to err, in most cases a unix.Errno.
func Failed(operation, object string, err error) error {
	if object == "" {
		object = `""`
	}
	return &fs.PathError{Op: operation, Path: object, Err: err}
}
