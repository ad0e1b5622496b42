package app_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pryde/internal/app"
)

func TestConfigReportsEveryMistakeByVariable(t *testing.T) {
	_, err := app.LoadConfig(map[string]string{
		"APP_ENV": "staging", "PORT": "0", "AUTH_TIMEOUT": "soon", "REFRESH_TOKEN_EXPIRY": "-3d", "JWT_SECRET": "hunter2",
		"MESSAGE_ENCRYPTION_KEY": "abc", "TRUSTED_PROXIES": "here", "CORS_ORIGINS": "example.com", "SERVICE_TOKENS": "short-token",
		"RATE_LIMIT_FACTOR": "many", "LOG_LEVEL": "loud", "SOCKET_MAX_CONNECTIONS_PER_USER": "0", "RATE_LIMITS": "send_message=x", "POLLING": "perhaps",
		"ROOT_DOMAIN": "https://example.com", "EMAIL_VERIFICATION": "sometimes",
	})
	if err == nil {
		t.Fatal("was accepted")
	}
	for _, name := range []string{
		"APP_ENV", "PORT", "AUTH_TIMEOUT", "REFRESH_TOKEN_EXPIRY", "JWT_SECRET", "MESSAGE_ENCRYPTION_KEY", "TRUSTED_PROXIES", "CORS_ORIGINS",
		"SERVICE_TOKENS", "RATE_LIMIT_FACTOR", "LOG_LEVEL", "SOCKET_MAX_CONNECTIONS_PER_USER", "RATE_LIMITS", "POLLING",
		"ROOT_DOMAIN", "EMAIL_VERIFICATION",
	} {
		if !strings.Contains("\n"+err.Error(), "\n"+name+": ") {
			t.Errorf("no line about %s in:\n%v", name, err)
		}
	}
	for _, secret := range []string{"hunter2", "short-token", "abc"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("a value is shown in:\n%v", err)
		}
	}
}

func TestTheRootDomainIsADomain(t *testing.T) {
	for domain, want := range map[string]bool{
		"": true, "example.com": true, "Chat.Example.co.uk": true, "xn--bcher-kva.example": true,
		".example.com": false, "example.com.": false, "com": false, "example.com:443": false, "example.com/": false, "a b.example": false,
		"192.0.2.1": false, "-a.example": false, "exämple.com": false, "example.com;Secure": false, strings.Repeat("a.", 130) + "com": false,
	} {
		if _, err := app.LoadConfig(map[string]string{"ROOT_DOMAIN": domain}); (err == nil) != want {
			t.Errorf("%q: %v", domain, err)
		}
	}
}

func TestConfigReadsDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"500ms": 500 * time.Millisecond, "10s": 10 * time.Second, "15m": 15 * time.Minute, "30d": 30 * 24 * time.Hour,
	} {
		c, err := app.LoadConfig(map[string]string{"AUTH_TIMEOUT": text})
		if err != nil || c.AuthTimeout != want {
			t.Errorf("%s: got %v, %v", text, c.AuthTimeout, err)
		}
	}
}

func TestProductionNamesEveryMissingSecretAndHowToMakeOne(t *testing.T) {
	_, err := app.LoadConfig(map[string]string{"APP_ENV": "production"})
	for _, name := range []string{"JWT_SECRET", "JWT_REFRESH_SECRET", "MESSAGE_ENCRYPTION_KEY"} {
		if want := name + ": is missing; make one with: openssl rand -hex 32"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}

func TestConfigShowsWhatIsInForceAndNoSecret(t *testing.T) {
	secrets := map[string]string{
		"JWT_SECRET": strings.Repeat("a1", 20), "JWT_REFRESH_SECRET": strings.Repeat("b2", 20),
		"MESSAGE_ENCRYPTION_KEY": strings.Repeat("c3", 32), "SERVICE_TOKENS": strings.Repeat("d4", 20),
	}
	vars := map[string]string{"APP_ENV": "production", "REFRESH_TOKEN_EXPIRY": "7d", "AUTH_TIMEOUT": "90s"}
	for k, v := range secrets {
		vars[k] = v
	}
	c, err := app.LoadConfig(vars)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.WriteConfig(&b); err != nil {
		t.Fatal(err)
	}
	shown := b.String() + fmt.Sprintf("%v %+v %#v", c, c, c)
	log := slog.New(slog.NewJSONHandler(&b, nil))
	log.Info("config", "config", c)
	shown += b.String()

	for name, secret := range secrets {
		if strings.Contains(shown, secret) {
			t.Errorf("%s is shown", name)
		}
	}
	for _, want := range []string{"REFRESH_TOKEN_EXPIRY             7d", "AUTH_TIMEOUT                     1m30s", "PORT                             9000"} {
		if !strings.Contains(shown, want) {
			t.Errorf("no line %q in:\n%s", want, b.String())
		}
	}
}

func TestTheTableOfVariablesNamesEachOne(t *testing.T) {
	var b bytes.Buffer
	if err := app.WriteConfigDocs(&b); err != nil {
		t.Fatal(err)
	}
	for _, v := range (app.Config{}).Variables() {
		if v.Doc == "" || !strings.Contains(b.String(), "| `"+v.Name+"` |") {
			t.Errorf("%s is not documented", v.Name)
		}
	}
}

func TestSecretsAreMadeOnceAndKept(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, nil)
	ann := w.signUp()
	file := filepath.Join(dir, "keys", "secrets.json")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%s: %v, %v", file, info, err)
	}
	made, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}

	again := start(t, dir, nil)
	if _, err := again.rest().As(ann.token).Conversations(again.ctx()); err != nil {
		t.Errorf("the token did not survive the restart: %v", err)
	}
	if kept, err := os.ReadFile(file); err != nil || !bytes.Equal(kept, made) {
		t.Errorf("the secrets changed, %v", err)
	}
}

func TestAnotherMasterKeyStopsTheStart(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, nil)
	w.signUp()
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	c, err := app.LoadConfig(map[string]string{"DATA_DIR": dir, "MESSAGE_ENCRYPTION_KEY": strings.Repeat("ab", 32)})
	if err != nil {
		t.Fatal(err)
	}
	c.Port = 0

	err = app.Run(t.Context(), c, slog.New(slog.DiscardHandler), func(net.Addr) { t.Error("it listens") })

	if err == nil || !strings.Contains(err.Error(), "key") {
		t.Errorf("it ended with %v", err)
	}
}

func TestASecondServerOnTheSameDataIsRefused(t *testing.T) {
	w := newWorld(t)
	c, err := app.LoadConfig(map[string]string{"DATA_DIR": w.dir})
	if err != nil {
		t.Fatal(err)
	}
	c.Port = 0

	if err := app.Run(t.Context(), c, slog.New(slog.DiscardHandler), func(net.Addr) { t.Error("it listens") }); err == nil {
		t.Error("it ran")
	}
}
