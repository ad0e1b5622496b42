// Package web holds the built page, so that the binary serves it. It knows nothing of the
// server.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Page returns the files of the built page. Without a build it holds no index.html.
func Page() fs.FS {
	// Sub fails only for a path that is not valid.
	page, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err)
	}
	return page
}
