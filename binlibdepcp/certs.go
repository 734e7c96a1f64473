//go:build linux

package main

import (
	"io/fs"

	"nsteps/binlibdepcp/ldso"
)

// certPaths are the places where OpenSSL, GnuTLS, curl and Go look for the certificates
// of authorities: bundles and directories with hashed names, and OpenSSL's settings.
// Directories for private keys are not among them.
var certPaths = []string{
	"/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", // Debian, Alpine, Arch
	// links to these
	"/usr/lib/ssl/certs", "/usr/lib/ssl/cert.pem", "/usr/lib/ssl/openssl.cnf",
	"/etc/pki/tls/certs", "/etc/pki/tls/cert.pem", "/etc/pki/tls/openssl.cnf", // Fedora
	"/etc/pki/ca-trust/extracted/pem", "/etc/pki/ca-trust/extracted/openssl",
	"/etc/crypto-policies/back-ends/opensslcnf.config", // their settings include these
	"/etc/crypto-policies/back-ends/gnutls.config",
	"/etc/ssl/ca-bundle.pem", // openSUSE
}

// certs adds the certificates of authorities. A file that not everybody may read is left
// out: it may be a private key.
func (e *extras) certs() {
	found := false
	for _, name := range certPaths {
		if place, err := e.linker.Place(name); err == nil {
			found = true
			e.walk(place, isPublic)
		}
	}
	if !found {
		e.notes = append(e.notes, "no certificates: install the package ca-certificates")
	}
}

func isPublic(place *ldso.Place) bool {
	const others fs.FileMode = 0o004
	return place.Info.Mode()&others != 0
}
