package wire

import "net/http"

// Routes about the server.
var (
	GetHealth = route[None, Health](http.MethodGet, "/api/health", Public, "Whether the server answers.")
)
