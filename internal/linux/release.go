package linux

import (
	"fmt"
	"os"
)

// Since reports whether the kernel has this version or a newer one. Without a /proc, the
// version is 0.
func Since(major, minor int) bool {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	var x, y int
	_, _ = fmt.Sscanf(string(release), "%d.%d", &x, &y)
	return x > major || x == major && y >= minor
}
