package cmdline

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// Stdout is standard output. All programs print to it, and Run reports it if that fails.
var Stdout = &Output{w: os.Stdout}

// An Output is a writer that keeps its first error, and writes no more after it.
type Output struct {
	w   io.Writer
	err error
}

func (o *Output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(p)
	if err != nil {
		var failed *fs.PathError
		if errors.As(err, &failed) {
			err = failed.Err
		}
		// It hides the errno: a hint on a full disk would be about another file.
		o.err = errors.New("write standard output: " + err.Error())
	}
	return n, o.err
}

// Err returns the error of the first write that failed, nil if none has failed.
func (o *Output) Err() error { return o.err }
