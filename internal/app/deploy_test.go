package app_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"pryde/internal/app"
	"pryde/internal/limit"
	"pryde/internal/testkit"
)

// TestTheClientBehindTheProxiesOfRenderIsKnown reads the networks that deploy/render.yaml trusts.
func TestTheClientBehindTheProxiesOfRenderIsKnown(t *testing.T) {
	t.Parallel()
	root, err := testkit.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	blueprint, err := os.ReadFile(filepath.Join(root, "deploy", "render.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^      - key: TRUSTED_PROXIES\n        value: (\S+)$`).FindSubmatch(blueprint)
	if found == nil {
		t.Fatal("deploy/render.yaml trusts no proxy")
	}
	c, err := app.LoadConfig(map[string]string{"TRUSTED_PROXIES": string(found[1])})
	if err != nil {
		t.Fatal(err)
	}

	for _, forwarded := range []string{
		"203.0.113.9, 104.22.17.40", "203.0.113.9, 2606:4700::6810:1", "203.0.113.9, 172.71.0.1, 10.204.7.1", "198.51.100.1, 203.0.113.9, 104.22.17.40",
	} {
		if got := limit.Proxies(c.Proxies).Client("10.1.2.3:4567", []string{forwarded}); got.String() != "203.0.113.9" {
			t.Errorf("%s counts as %s, want the client", forwarded, got)
		}
	}
}
