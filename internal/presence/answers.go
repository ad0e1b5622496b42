package presence

import (
	"context"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/wire"
)

// Online answers get_online_users: the list, and room:joined for clients that forgot.
func (s *Service) Online(ctx context.Context, who auth.Identity, _ wire.Raw) (wire.Outcome[wire.None], error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	list, err := s.seenBy(ctx, who.User)
	if err != nil {
		return wire.Outcome[wire.None]{}, err
	}
	return wire.Outcome[wire.None]{Before: []wire.Outgoing{
		wire.OnlineUsers.Encoded(wire.SocketRoom(who.Socket), list), joined(who, false),
	}}, nil
}

var errNotYourRoom = fault.Forbidden("INVALID_ROOM", "Invalid user ID or room")

// Join answers join: a socket is in the room of its user from the start, and in no other
// person's ever.
func (s *Service) Join(_ context.Context, who auth.Identity, in wire.JoinRoom) (wire.Outcome[wire.None], error) {
	own := who.User.String()
	if in.UserID != own && in.Room != string(wire.UserRoom(who.User)) {
		return wire.Outcome[wire.None]{}, errNotYourRoom
	}
	return wire.Outcome[wire.None]{Before: []wire.Outgoing{joined(who, false)}}, nil
}

func joined(who auth.Identity, auto bool) wire.Outgoing {
	return wire.RoomJoinedEvent.To(wire.SocketRoom(who.Socket), wire.RoomJoined{
		Room: wire.UserRoom(who.User), UserID: who.User, SocketID: who.Socket, AutoJoined: auto,
	})
}

// Ping answers ping.
func (s *Service) Ping(_ context.Context, who auth.Identity, _ wire.Raw) (wire.Outcome[wire.Pong], error) {
	return wire.Outcome[wire.Pong]{Reply: wire.Pong{Status: "ok", UserID: who.User, Timestamp: s.now().UnixMilli()}}, nil
}

// Echo answers echo.
func (s *Service) Echo(_ context.Context, who auth.Identity, in wire.Raw) (wire.Outcome[wire.Echo], error) {
	if in == nil {
		in = wire.Raw("null")
	}
	return wire.Outcome[wire.Echo]{Reply: wire.Echo{Echo: in, Timestamp: s.now().UnixMilli(), UserID: who.User}}, nil
}
