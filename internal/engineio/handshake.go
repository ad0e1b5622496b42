package engineio

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Bounds on the query of a request.
const (
	maxQueryKeys = 16
	maxKeyLength = 64 // bytes
)

// A rejection is the answer to a request that is not served. The codes and texts are those of
// the reference; a negative code is not written.
type rejection struct {
	status     int
	code       int
	message    string
	retryAfter int // seconds; 0: nothing is said
}

// busySeconds is when a client that found no place may try again.
const busySeconds = 5

var (
	unknownTransport = &rejection{http.StatusBadRequest, 0, "Transport unknown", 0}
	unknownSession   = &rejection{http.StatusBadRequest, 1, "Session ID unknown", 0}
	badMethod        = &rejection{http.StatusBadRequest, 2, "Bad handshake method", 0}
	badRequest       = &rejection{http.StatusBadRequest, 3, "Bad request", 0}
	forbidden        = &rejection{http.StatusForbidden, 4, "Forbidden", 0}
	wrongVersion     = &rejection{http.StatusBadRequest, 5, "Unsupported protocol version", 0}
	tooLarge         = &rejection{http.StatusRequestEntityTooLarge, -1, "Payload too large", 0}
	unavailable      = &rejection{http.StatusServiceUnavailable, -1, "Service unavailable", busySeconds}
	tooMany          = &rejection{http.StatusTooManyRequests, -1, "Too many connections", busySeconds}
)

func (j *rejection) write(w http.ResponseWriter) {
	body := `{"message":` + strconv.Quote(j.message) + `}`
	if j.code >= 0 {
		body = `{"code":` + strconv.Itoa(j.code) + `,"message":` + strconv.Quote(j.message) + `}`
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if j.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(j.retryAfter))
	}
	w.WriteHeader(j.status)
	_, _ = w.Write([]byte(body)) // the client may have gone
}

// parseQuery reads a query whose keys are plain and stand once each.
func parseQuery(raw string) (map[string]string, bool) {
	if strings.Count(raw, "&") >= maxQueryKeys || strings.Contains(raw, ";") {
		return nil, false
	}
	query := make(map[string]string)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		key, err1 := url.QueryUnescape(key)
		value, err2 := url.QueryUnescape(value)
		if _, known := query[key]; known || err1 != nil || err2 != nil || !isPlainKey(key) {
			return nil, false
		}
		query[key] = value
	}
	return query, true
}

func isPlainKey(key string) bool {
	return len(key) <= maxKeyLength && !strings.HasPrefix(key, "__") && isPlain(key)
}

// isPlain reports whether text is made of letters, digits, - and _ and is not empty.
func isPlain(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		return !letter && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// isUpgrade reports whether the request is a WebSocket handshake that will be accepted.
func isUpgrade(r *http.Request) bool {
	keys := r.Header.Values("Sec-WebSocket-Key")
	if r.ProtoMajor != 1 || r.ProtoMinor < 1 || len(keys) != 1 || r.Header.Get("Sec-WebSocket-Version") != "13" {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(keys[0])
	return err == nil && len(key) == 16 && hasUpgrade(r.Header.Get("Connection")) && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

func hasUpgrade(connection string) bool {
	for part := range strings.SplitSeq(connection, ",") {
		if strings.EqualFold(strings.TrimSpace(part), "upgrade") {
			return true
		}
	}
	return false
}

// sameOrigin lets through what is no browser and pages of the server's own host.
func sameOrigin(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	origin, err := url.Parse(origins[0])
	return len(origins) == 1 && err == nil && origin.Host != "" && strings.EqualFold(origin.Host, r.Host)
}
