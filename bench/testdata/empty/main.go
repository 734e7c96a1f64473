// Empty is an empty program: what starting one of Go's costs, in time and memory.
package main

func main() {}
