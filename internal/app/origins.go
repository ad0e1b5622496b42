package app

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// originCheck returns the one rule about origins, for REST, preflights and sockets alike: a
// request without an Origin comes from no page and is let through; the server's own origin
// and the configured ones are let through; in development every port of this machine is.
func originCheck(c Config) func(*http.Request) bool {
	allowed := append(slices.Clone(c.CORSOrigins), c.FrontendURL...)
	return func(r *http.Request) bool {
		origins := r.Header.Values("Origin")
		if len(origins) == 0 {
			return true
		}
		u, err := url.Parse(origins[0])
		if err != nil || len(origins) > 1 || u.Host == "" {
			return false
		}
		// Over plain http somebody on the way could serve a page under the name of the server.
		own := strings.EqualFold(u.Host, r.Host) && (u.Scheme == "https" || c.Env == Development || local(u.Hostname()))
		if own || slices.Contains(allowed, strings.ToLower(origins[0])) {
			return true
		}
		return c.Env == Development && local(u.Hostname())
	}
}

func local(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}
