package app

import (
	"cmp"
	"runtime/debug"
)

// version is what the build says of itself; the linker writes it (-X).
var version string

// buildVersion returns the version of this binary: what the linker wrote, else what Go did.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return cmp.Or(version, info.Main.Version, "(devel)")
	}
	return cmp.Or(version, "(devel)")
}
