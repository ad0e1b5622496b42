package people

import "testing"

func TestDevicesAreToldFromUserAgents(t *testing.T) {
	for userAgent, want := range map[string]device{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36":                         {"Desktop", "Chrome", "Windows"},
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0":           {"Desktop", "Edge", "Windows"},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15":                   {"Desktop", "Safari", "macOS"},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1": {"Mobile", "Safari", "iOS"},
		"Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/138.0.0.0 Mobile/15E148 Safari/604.1":       {"Tablet", "Chrome", "iOS"},
		"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36":                   {"Mobile", "Chrome", "Android"},
		"Mozilla/5.0 (Linux; Android 14; SM-X910) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Safari/537.36":      {"Tablet", "Samsung Internet", "Android"},
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 OPR/120.0.0.0":            {"Desktop", "Opera", "ChromeOS"},
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                  {"Desktop", "Firefox", "Linux"},
		FormerAgent("Desktop", "Chrome", "iOS"): {"Desktop", "Chrome", "iOS"},
		FormerAgent("", "", ""):                 {"Unknown device", "Unknown browser", "Unknown OS"},
		"curl/8.5.0":                            {"Unknown device", "Unknown browser", "Unknown OS"},
		"":                                      {"Unknown device", "Unknown browser", "Unknown OS"},
	} {
		if got := parseDevice(userAgent); got != want {
			t.Errorf("%q is %+v, want %+v", userAgent, got, want)
		}
	}
}
