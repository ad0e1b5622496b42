package people

import (
	"cmp"
	"strings"
)

// A device is what can be told from a user agent, for its owner to recognise.
type device struct{ device, browser, os string }

// A sign is a piece of a user agent and what it tells. The first that is found counts.
type sign struct{ piece, means string }

var (
	browserSigns = []sign{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Opera", "Opera"}, {"SamsungBrowser", "Samsung Internet"},
		{"Firefox", "Firefox"}, {"FxiOS", "Firefox"}, {"CriOS", "Chrome"}, {"Chrome", "Chrome"}, {"Safari", "Safari"},
	}
	osSigns = []sign{
		{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iOS"}, {"iPad", "iOS"}, {"iPod", "iOS"},
		{"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	}
	deviceSigns = []sign{
		{"iPad", "Tablet"}, {"Tablet", "Tablet"}, {"iPhone", "Mobile"}, {"iPod", "Mobile"}, {"Mobile", "Mobile"},
		{"Android", "Tablet"}, {"Windows", "Desktop"}, {"Mac OS X", "Desktop"}, {"CrOS", "Desktop"}, {"Linux", "Desktop"},
	}
)

// ParseDevice tells the kind of a device, its browser and its system from a user agent. What
// FormerAgent made comes back as it was.
func ParseDevice(userAgent string) (device, browser, os string) {
	d := parseDevice(userAgent)
	return d.device, d.browser, d.os
}

// FormerAgent stands for the user agent of a session of the former system, which kept only what
// it told.
func FormerAgent(device, browser, os string) string {
	return strings.Join([]string{browser, os, device}, formerSeparator)
}

const formerSeparator = " | "

func parseDevice(userAgent string) device {
	if parts := strings.Split(userAgent, formerSeparator); len(parts) == 3 {
		return device{
			device:  cmp.Or(parts[2], "Unknown device"),
			browser: cmp.Or(parts[0], "Unknown browser"),
			os:      cmp.Or(parts[1], "Unknown OS"),
		}
	}
	return device{
		device:  told(userAgent, deviceSigns, "Unknown device"),
		browser: told(userAgent, browserSigns, "Unknown browser"),
		os:      told(userAgent, osSigns, "Unknown OS"),
	}
}

func told(userAgent string, signs []sign, unknown string) string {
	for _, s := range signs {
		if strings.Contains(userAgent, s.piece) {
			return s.means
		}
	}
	return unknown
}
