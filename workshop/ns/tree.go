//go:build linux

package ns

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"
	"golang.org/x/sys/unix"

	"nsteps/internal/cmdline"
	"nsteps/internal/linux"
	"nsteps/workshop/output"
	"nsteps/workshop/procs"
)

// A node is a PID or USER namespace, as ioctl_nsfs(2) tells of it.
type node struct {
	Kind     string  `json:"type"`
	Inode    uint64  `json:"inode"`
	Parent   uint64  `json:"parent,omitempty"`    // 0 if it is the first, or hidden
	Userns   uint64  `json:"userns,omitempty"`    // that owns it, 0 if not to be seen
	OwnerUID *uint32 `json:"owner_uid,omitempty"` // of a USER namespace: who made it
	PIDs     []int   `json:"pids"`
}

// lineage returns the namespaces of these processes and the namespaces above them, in
// the order in which they are come across. A process that has ended is left out.
func lineage(processes []*procs.Details) (nodes []*node) {
	for _, p := range processes {
		for _, kind := range []string{"pid", "user"} {
			fd, err := linux.OpenNamespace(p.PID, kind)
			if err != nil {
				continue
			}
			var n *node
			nodes, n = ancestors(nodes, kind, fd)
			if n != nil {
				n.PIDs = append(n.PIDs, p.PID)
			}
		}
	}
	return nodes
}

// ancestors adds a namespace and those above it, unless they are there, and returns it.
// It closes the descriptor.
func ancestors(nodes []*node, kind string, fd int) ([]*node, *node) {
	defer unix.Close(fd)
	inode := inodeOf(fd)
	known := slices.IndexFunc(nodes, func(n *node) bool {
		return n.Kind == kind && n.Inode == inode
	})
	if known >= 0 {
		return nodes, nodes[known]
	}
	n := &node{Kind: kind, Inode: inode, PIDs: []int{}}
	if kind == "user" {
		if uid, err := unix.IoctlGetUint32(fd, unix.NS_GET_OWNER_UID); err == nil {
			n.OwnerUID = &uid
		}
	} else if userns, err := unix.IoctlRetInt(fd, unix.NS_GET_USERNS); err == nil {
		n.Userns = inodeOf(userns)
		nodes, _ = ancestors(nodes, "user", userns)
	}
	// EPERM says that it has none, or one that this process is not in: ioctl_nsfs(2).
	if parent, err := unix.IoctlRetInt(fd, unix.NS_GET_PARENT); err == nil {
		n.Parent = inodeOf(parent)
		nodes, _ = ancestors(nodes, kind, parent)
	}
	return append(nodes, n), n
}

func inodeOf(fd int) uint64 {
	var st unix.Stat_t
	_ = unix.Fstat(fd, &st)
	return st.Ino
}

// An item is an entry of a tree that is drawn.
type item struct {
	text     string
	hue      *output.Colour
	children []*item
}

// tree draws the namespaces and the processes in them, into so many columns. Before is
// how the processes were, to mark what is new; it is nil if there is nothing to mark.
func tree(nodes []*node, processes []*procs.Details, columns int,
	before processMap,
) string {
	var b strings.Builder
	for _, kind := range []string{"pid", "user"} {
		if kind == "user" {
			b.WriteString("\n")
		}
		b.WriteString(output.Bold.Sprint(strings.ToUpper(kind)+" namespaces") + "\n")
		for _, root := range items(nodes, processes, kind, 0, before) {
			draw(&b, root, "", "", columns)
		}
	}
	return b.String()
}

// items returns the namespaces of one kind below a parent.
func items(nodes []*node, processes []*procs.Details, kind string, parent uint64,
	before map[int]*procs.Details,
) (all []*item) {
	for _, n := range nodes {
		if n.Kind != kind || n.Parent != parent {
			continue
		}
		i := &item{text: fmt.Sprintf("%s:[%d]", n.Kind, n.Inode), hue: output.Bold}
		if n.Userns != 0 {
			i.text += fmt.Sprintf(" owned by user %d", n.Userns)
		}
		if n.OwnerUID != nil {
			i.text += " owned by uid " + strconv.FormatUint(uint64(*n.OwnerUID), 10)
		}
		for _, p := range processes {
			if slices.Contains(n.PIDs, p.PID) {
				i.children = append(i.children, describe(p, kind, before))
			}
		}
		i.children = append(i.children, items(nodes, processes, kind, n.Inode, before)...)
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b *item) int { return strings.Compare(a.text, b.text) })
	return all
}

func describe(p *procs.Details, kind string, before map[int]*procs.Details) *item {
	i := &item{text: fmt.Sprintf("%d %s", p.PID, cmdline.Printable(p.Command))}
	if kind == "pid" && p.Inside != p.PID {
		i.text += fmt.Sprintf(", PID %d inside", p.Inside)
	}
	if old, ok := before[p.PID]; before != nil && (!ok || old.Command != p.Command ||
		old.Namespaces[kind] != p.Namespaces[kind]) {
		i.text, i.hue = i.text+mark, output.Reversed
	}
	return i
}

// draw writes an item behind a prefix, and what is below it behind another.
func draw(b *strings.Builder, i *item, prefix, below string, columns int) {
	room := 0
	if columns > 0 {
		room = max(10, columns-runewidth.StringWidth(prefix))
	}
	bar := ""
	if len(i.children) > 0 {
		bar = "│ "
	}
	for n, line := range strings.Split(output.Fill(i.text, room), "\n") {
		if n > 0 {
			prefix = below + bar
		}
		b.WriteString(prefix + output.Paint(i.hue, line) + "\n")
	}
	for n, child := range i.children {
		if n < len(i.children)-1 {
			draw(b, child, below+"├─ ", below+"│  ", columns)
		} else {
			draw(b, child, below+"└─ ", below+"   ", columns)
		}
	}
}
