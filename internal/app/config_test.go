package app_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pryde/internal/app"
)

func TestConfigReportsEveryMistakeByVariable(t *testing.T) {
	t.Parallel()
	_, err := app.LoadConfig(map[string]string{
		"APP_ENV": "staging", "PORT": "0", "AUTH_TIMEOUT": "soon", "REFRESH_TOKEN_EXPIRY": "-3d", "JWT_SECRET": "hunter2",
		"MESSAGE_ENCRYPTION_KEY": "abc", "TRUSTED_PROXIES": "here", "CORS_ORIGINS": "example.com", "SERVICE_TOKENS": "short-token",
		"RATE_LIMIT_FACTOR": "many", "LOG_LEVEL": "loud", "SOCKET_MAX_CONNECTIONS_PER_USER": "0", "RATE_LIMITS": "send_message=x", "POLLING": "perhaps",
		"ROOT_DOMAIN": "https://example.com", "EMAIL_VERIFICATION": "sometimes", "FILES_QUOTA_MB": "0", "S3_ENDPOINT": "s3.example.com",
	})
	if err == nil {
		t.Fatal("was accepted")
	}
	for _, name := range []string{
		"APP_ENV", "PORT", "AUTH_TIMEOUT", "REFRESH_TOKEN_EXPIRY", "JWT_SECRET", "MESSAGE_ENCRYPTION_KEY", "TRUSTED_PROXIES", "CORS_ORIGINS",
		"SERVICE_TOKENS", "RATE_LIMIT_FACTOR", "LOG_LEVEL", "SOCKET_MAX_CONNECTIONS_PER_USER", "RATE_LIMITS", "POLLING",
		"ROOT_DOMAIN", "EMAIL_VERIFICATION", "FILES_QUOTA_MB", "S3_ENDPOINT",
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

func TestAStoreOfFilesIsNamedWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	whole := map[string]string{"S3_ENDPOINT": "https://s3.example.com/", "S3_BUCKET": "b", "S3_ACCESS_KEY": "k", "S3_SECRET_KEY": "s"}
	c, err := app.LoadConfig(whole)
	if err != nil || c.S3Endpoint != "https://s3.example.com" {
		t.Errorf("whole: %q, %v", c.S3Endpoint, err)
	}
	for name := range whole {
		vars := maps.Clone(whole)
		delete(vars, name)
		if _, err := app.LoadConfig(vars); err == nil {
			t.Errorf("without %s it was accepted", name)
		} else if name != "S3_ENDPOINT" && !strings.Contains(err.Error(), name+": is missing") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestTheRootDomainIsADomain(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	_, err := app.LoadConfig(map[string]string{"APP_ENV": "production"})
	for _, name := range []string{"JWT_SECRET", "JWT_REFRESH_SECRET", "MESSAGE_ENCRYPTION_KEY"} {
		if want := name + ": is missing; make one with: openssl rand -hex 32"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}

func TestConfigShowsWhatIsInForceAndNoSecret(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{
		"JWT_SECRET": strings.Repeat("a1", 20), "JWT_REFRESH_SECRET": strings.Repeat("b2", 20),
		"MESSAGE_ENCRYPTION_KEY": strings.Repeat("c3", 32), "SERVICE_TOKENS": strings.Repeat("d4", 20),
		"MONGODB_URI": "mongodb://user:hunter2@db.example.com", "S3_SECRET_KEY": strings.Repeat("e5", 20),
		"MESSAGE_ENCRYPTION_KEYS": strings.Repeat("f6", 32),
	}
	vars := map[string]string{
		"APP_ENV": "production", "REFRESH_TOKEN_EXPIRY": "7d", "AUTH_TIMEOUT": "90s",
		"S3_ENDPOINT": "https://s3.example.com", "S3_BUCKET": "files", "S3_ACCESS_KEY": "pryde",
	}
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

func TestWhatBelongsToMongoDBIsTakenWithIt(t *testing.T) {
	t.Parallel()
	const uri = "mongodb://user:hunter2@db.example.com/pryde?replicaSet=rs0"
	secret := strings.Repeat("ab", 32)
	production := map[string]string{"APP_ENV": "production", "JWT_SECRET": secret, "JWT_REFRESH_SECRET": secret + "c", "MESSAGE_ENCRYPTION_KEY": secret}
	until := func(days int) string { return time.Now().UTC().AddDate(0, 0, days).Format(time.DateOnly) }
	for _, tt := range []struct {
		name string
		vars map[string]string
		want string // how the complaint begins; empty: none
	}{
		{"MongoDB", map[string]string{"MONGODB_URI": uri, "JOURNAL_DIR": "/journal"}, ""},
		{"its other scheme", map[string]string{"MONGODB_URI": "mongodb+srv://user:hunter2@db.example.com/"}, ""},
		{"another database", map[string]string{"MONGODB_URI": "postgres://user:hunter2@db.example.com"}, "MONGODB_URI: "},
		{"no host", map[string]string{"MONGODB_URI": "mongodb://"}, "MONGODB_URI: "},
		{"no time", map[string]string{"MONGODB_URI": uri, "MONGODB_TIMEOUT": "0s"}, "MONGODB_TIMEOUT: "},
		{"a journal alone", map[string]string{"JOURNAL_DIR": "/journal"}, "JOURNAL_DIR: "},
		{"an unknown format", map[string]string{"MONGODB_URI": uri, "SEAL_FORMAT": "former"}, "SEAL_FORMAT: "},
		{"the former format", map[string]string{"MONGODB_URI": uri, "SEAL_FORMAT": "legacy"}, ""},
		{"the former format in the embedded database", map[string]string{"SEAL_FORMAT": "legacy"}, "SEAL_FORMAT: "},
		{"a day without it", map[string]string{"MONGODB_URI": uri, "SEAL_FORMAT_UNTIL": until(9)}, "SEAL_FORMAT_UNTIL: "},
		{"no day", map[string]string{"MONGODB_URI": uri, "SEAL_FORMAT": "legacy", "SEAL_FORMAT_UNTIL": "soon"}, "SEAL_FORMAT_UNTIL: "},
		{"the last day", map[string]string{"MONGODB_URI": uri, "SEAL_FORMAT": "legacy", "SEAL_FORMAT_UNTIL": until(1)}, ""},
		{"the day after", map[string]string{"MONGODB_URI": uri, "SEAL_FORMAT": "legacy", "SEAL_FORMAT_UNTIL": until(-1)}, "SEAL_FORMAT_UNTIL: "},
	} {
		_, err := app.LoadConfig(tt.vars)
		if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the password is shown: %v", tt.name, err)
		}
	}

	production["MONGODB_URI"], production["SEAL_FORMAT"] = uri, "legacy"
	if _, err := app.LoadConfig(production); err == nil || !strings.HasPrefix(err.Error(), "SEAL_FORMAT_UNTIL: is missing") {
		t.Errorf("the former format in production without an end: %v", err)
	}
	production["SEAL_FORMAT_UNTIL"] = until(9)
	if _, err := app.LoadConfig(production); err != nil {
		t.Errorf("with an end: %v", err)
	}
}

func TestTheTableOfVariablesNamesEachOne(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	dir := t.TempDir()
	w := start(t, dir, nil)
	w.signUp()
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	c, err := app.LoadConfig(storeIn(t, dir, map[string]string{"MESSAGE_ENCRYPTION_KEY": strings.Repeat("ab", 32)}))
	if err != nil {
		t.Fatal(err)
	}
	c.Port = 0

	err = app.Run(t.Context(), c, slog.New(slog.DiscardHandler), func(net.Addr) {
		if !onMongoDB() { // there it listens first
			t.Error("it listens")
		}
	})

	if err == nil || !strings.Contains(err.Error(), "key") {
		t.Errorf("it ended with %v", err)
	}
}

func TestASecondServerOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	embeddedOnly(t) // on MongoDB it stands by
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
