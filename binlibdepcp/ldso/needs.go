//go:build linux

package ldso

import "debug/elf"

// A queue holds the objects whose needs are loaded, in the order in which that is done:
// the list of _dl_map_object_deps() of elf/dl-deps.c.
type queue struct {
	tail   *item
	queued map[*Object]bool
}

type item struct {
	object *Object
	done   bool
	next   *item
}

// loadNeeds loads the libraries that an object needs, and their libraries, breadth first.
// But the needs of a filtee, which comes before its filter, are next.
func (s *space) loadNeeds(o *Object) {
	at := &item{object: o}
	q := &queue{tail: at, queued: map[*Object]bool{o: true}}
	for at != nil && !s.c.exceeded() {
		at.done = true
		if !at.object.loaded {
			at.object.loaded = true
			s.loadOwnNeeds(at, q)
		}
		for at != nil && at.done {
			at = at.next
		}
	}
}

// loadOwnNeeds loads what one object needs.
func (s *space) loadOwnNeeds(at *item, q *queue) {
	o := at.object
	for _, need := range o.Needs {
		if s.c.interpreter.Musl && need.Tag != elf.DT_NEEDED {
			continue // it has no filters
		}
		dep := Dependency{Need: need}
		dep.Object, dep.Err = s.load(need.Name, o)
		if need.Tag == elf.DT_AUXILIARY {
			dep.Err = nil
		}
		o.Deps = append(o.Deps, dep)
		if s.c.exceeded() {
			return
		}
		s.problem(dep.Err)
		switch {
		case dep.Object == nil:
		case need.Tag == elf.DT_NEEDED:
			q.append(dep.Object)
		default:
			at = q.insert(dep.Object, at)
		}
	}
}

// append adds an object at the end, if it isn't in the queue.
func (q *queue) append(o *Object) {
	if q.queued[o] {
		return
	}
	q.queued[o] = true
	q.tail.next = &item{object: o}
	q.tail = q.tail.next
}

// insert puts a filtee before its filter, unless it is there already. It returns the new
// place of the filter: the filtee has the old one, since there is no way back in the list
// to the item before.
func (q *queue) insert(filtee *Object, at *item) *item {
	filter := *at
	if q.queued[filtee] {
		before := &filter
		for before.next != nil && before.next.object != filtee {
			before = before.next
		}
		if before.next == nil {
			return at // it comes earlier
		}
		if q.tail == before.next {
			q.tail = before
		}
		before.next = before.next.next
	}
	q.queued[filtee] = true
	*at = item{object: filtee, next: &filter}
	if q.tail == at {
		q.tail = &filter
	}
	return &filter
}
