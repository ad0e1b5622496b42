package people

import "strings"

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

func parseDevice(userAgent string) device {
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
