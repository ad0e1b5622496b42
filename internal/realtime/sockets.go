package realtime

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/socketio"
	"pryde/internal/wire"
)

const (
	// recheckAfter is how long a socket lives on the word of its last check.
	recheckAfter = 5 * time.Minute
	// recheckEvery is how often sockets that are due are looked for.
	recheckEvery = 15 * time.Second
	// missedPong is how long after its last pong a socket counts as one that missed a ping.
	missedPong = 35 * time.Second
	// leaveTimeout bounds the note that somebody has left.
	leaveTimeout = 5 * time.Second
	// maxToken bounds what is taken for a token, in bytes.
	maxToken = 8 << 10
)

// handler is the gateway as the engine sees it.
type handler Gateway

func (h *handler) gateway() *Gateway { return (*Gateway)(h) }

// admitted is what a socket carries.
type admitted struct {
	who      auth.Identity // without the socket's id
	checked  time.Time     // when session and account were last known to be good; only the recheck touches it
	recovery *recovery     // until Connected; nil for who starts anew
}

func identity(s *socketio.Socket) auth.Identity {
	who := s.Data().(*admitted).who // Admit returns nothing else
	who.Socket = s.ID()
	return who
}

// Admit lets a socket in whose token counts. What will never count is refused; trouble of
// ours closes the transport, so that the client tries again.
func (h *handler) Admit(ctx context.Context, hs socketio.Handshake) (socketio.Admission, error) {
	g := h.gateway()
	who, err := g.verifier.Verify(ctx, token(hs))
	if err != nil {
		f := fault.Of(err)
		if f.Kind != fault.KindUnauthenticated && f.Kind != fault.KindForbidden {
			g.measures.admissions.WithLabelValues("trouble").Inc()
			return socketio.Admission{}, fmt.Errorf("admit socket: %w", err)
		}
		g.measures.admissions.WithLabelValues("refused").Inc()
		return socketio.Admission{}, &socketio.Refusal{Message: auth.SocketRefusal(f)}
	}
	pid, missed, err := g.resume(ctx, hs, who)
	verdict := "recovered"
	if err == nil && missed == nil {
		verdict = "admitted"
		pid, err = g.begin(who)
	}
	if err != nil {
		g.measures.admissions.WithLabelValues("trouble").Inc()
		return socketio.Admission{}, fmt.Errorf("admit socket: %w", err)
	}
	g.measures.admissions.WithLabelValues(verdict).Inc()
	return socketio.Admission{Data: &admitted{who, g.now(), missed}, PID: pid, Recovered: missed != nil}, nil
}

// token finds the token: in the auth object, else in the Authorization header.
func token(hs socketio.Handshake) string {
	in, err := wire.Decode[struct {
		Token string `json:"token"`
	}](hs.Auth)
	if err != nil || in.Token == "" {
		_, in.Token, _ = strings.Cut(hs.Header.Get("Authorization"), " ")
	}
	if len(in.Token) > maxToken {
		return in.Token[:maxToken] // long enough to be refused for what it is
	}
	return in.Token
}

// Connected puts a socket into its rooms, tells it what it missed, and greets it. The rooms
// come first: what is announced from now on reaches the socket, behind what it missed.
func (h *handler) Connected(ctx context.Context, s *socketio.Socket) {
	g := h.gateway()
	who := identity(s)
	a := s.Data().(*admitted) // Admit returns nothing else
	r := a.recovery
	a.recovery = nil
	kept := r != nil && r.keep()
	if kept {
		defer g.leavePlace()
	}
	s.Join(string(wire.UserRoom(who.User)), sessionRoom(who.Session), string(wire.Lounge))
	// A session that ended between the verdict and the rooms was not found by EndSession.
	if err := g.verifier.Attend(context.WithoutCancel(ctx), who); refused(err) {
		g.end(s, "Logged out", true)
	} else if r != nil && !(kept && g.catchUp(ctx, s, r)) {
		s.Abort() // it comes back, and learns then that its state is not recovered
	}
	g.limitConnections(who)
	g.Publish(g.presence.Connected(who)...)
}

func sessionRoom(session string) string { return "session_" + session }

// Disconnected tells that a socket has gone.
func (h *handler) Disconnected(s *socketio.Socket, reason socketio.Reason) {
	g := h.gateway()
	g.measures.disconnections.WithLabelValues(string(reason)).Inc()
	who := identity(s)
	g.presence.Disconnected(who)
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if err := g.verifier.Leave(ctx, who); err != nil && !errors.Is(err, auth.ErrNoSession) {
		g.log.WarnContext(ctx, "activity of a session could not be stored", "err", err)
	}
}

// limitConnections closes the sockets of a user that are too many: first those that missed
// their ping, then the oldest.
func (g *Gateway) limitConnections(who auth.Identity) {
	sockets := g.server.Sockets(string(wire.UserRoom(who.User)))
	for len(sockets) > g.max {
		at := g.weakest(sockets)
		g.Publish(wire.LimitReached.To(wire.SocketRoom(sockets[at].ID()), wire.ConnectionLimit{
			Message: fmt.Sprintf("Too many concurrent connections. Maximum is %d.", g.max),
		}))
		sockets[at].Disconnect()
		sockets = append(sockets[:at], sockets[at+1:]...)
	}
}

func (g *Gateway) weakest(sockets []*socketio.Socket) int {
	now, at := g.now(), 0
	for i, s := range sockets {
		silent, weakest := now.Sub(s.LastPong()) > missedPong, now.Sub(sockets[at].LastPong()) > missedPong
		if silent != weakest {
			if silent {
				at = i
			}
			continue
		}
		if s.Connected().Before(sockets[at].Connected()) {
			at = i
		}
	}
	return at
}

// EndSession tells the sockets of a session that it is over, and closes them. final says that
// there is nothing to tell the person about.
func (g *Gateway) EndSession(session, reason string, final bool) {
	for _, s := range g.server.Sockets(sessionRoom(session)) {
		g.end(s, reason, final)
	}
}

func (g *Gateway) end(s *socketio.Socket, reason string, final bool) {
	g.Publish(wire.LogoutForced.To(wire.SocketRoom(s.ID()), wire.ForceLogout{Reason: reason, Final: final}))
	s.Disconnect()
}

// Recheck looks every now and then whether the sessions and accounts of the sockets still
// count, and ends those that do not. It returns when ctx ends.
func (g *Gateway) Recheck(ctx context.Context) {
	ticker := time.NewTicker(recheckEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			g.recheck(ctx)
		}
	}
}

func (g *Gateway) recheck(ctx context.Context) {
	now := g.now()
	for _, s := range g.server.Sockets(string(wire.Lounge)) {
		a := s.Data().(*admitted) // Admit returns nothing else
		if now.Sub(a.checked) < recheckAfter {
			continue
		}
		switch err := g.verifier.Attend(ctx, a.who); {
		case err == nil:
			a.checked = now
		case refused(err):
			g.end(s, fault.Of(err).Text, false)
		default:
			g.log.WarnContext(ctx, "session could not be checked", "err", err)
		}
	}
}

// refused reports whether err says that an identity does not count, and not merely that this
// could not be told.
func refused(err error) bool {
	if err == nil {
		return false
	}
	k := fault.Of(err).Kind
	return k == fault.KindUnauthenticated || k == fault.KindForbidden
}
