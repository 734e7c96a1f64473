//go:build linux

package linux

import "golang.org/x/sys/unix"

// ReadFile reads a small file, such as one of /proc. Package os would put the file into
// the runtime's poller, which ends the program where there are too few descriptors for
// that.
func ReadFile(name string) ([]byte, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, Failed("open", name, err)
	}
	defer unix.Close(fd)
	text, err := ReadAll(fd)
	if err != nil {
		return text, Failed("read", name, err)
	}
	return text, nil
}

// ReadAll reads the rest of an open file, or its first megabyte.
func ReadAll(fd int) (text []byte, err error) {
	buffer := make([]byte, 16<<10)
	for len(text) < 1<<20 {
		n, err := unix.Read(fd, buffer)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 {
			return text, err
		}
		text = append(text, buffer[:n]...)
	}
	return text, nil
}
