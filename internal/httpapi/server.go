package httpapi

import (
	"context"

	"pryde/internal/wire"
)

// oldestPage is the oldest version of the page that this server works with.
const oldestPage = "1.0.0"

// bindVersion binds the routes that say which version of the server this is.
func bindVersion(a *API) {
	Bind(a, wire.GetVersion, func(context.Context, Call, wire.None) (Answer, error) {
		return Answer{Body: wire.Version{Version: a.o.Version, Timestamp: a.o.Now()}}, nil
	})
	Bind(a, wire.GetVersionStatus, func(context.Context, Call, wire.None) (Answer, error) {
		return Answer{Body: wire.VersionStatus{
			PWAEnabled: true, MinFrontendVersion: oldestPage, BackendVersion: a.o.Version, Timestamp: a.o.Now(),
		}}, nil
	})
}

// bindFormerPage binds what the former page asks for although there is nothing of it here: its
// tour asks to be put away.
func bindFormerPage(a *API) {
	Bind(a, wire.PostTourDone, func(context.Context, Call, wire.None) (Answer, error) {
		return Answer{Body: wire.Succeeded{Success: true}}, nil
	})
}
