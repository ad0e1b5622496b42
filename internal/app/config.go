package app

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"pryde/internal/limit"
	"pryde/internal/seal"
)

// Config is everything that the server is told from outside. Each field is declared once,
// here: its variable, its default and what it means. LoadConfig fills it in.
type Config struct {
	Env           Environment   `env:"APP_ENV" envDefault:"development" doc:"development or production. In production every secret must be set, cookies are Secure, and the server listens on every interface."`
	Host          string        `env:"HOST" doc:"Address to listen on. 127.0.0.1 by default, every interface with APP_ENV=production."`
	Port          int           `env:"PORT" envDefault:"9000" doc:"Port to listen on, 1 to 65535."`
	DataDir       string        `env:"DATA_DIR" envDefault:"./data" doc:"Folder of the embedded database. Not used with MONGODB_URI, but for the secrets made in development, which are in KEYS_DIR."`
	KeysDir       string        `env:"KEYS_DIR" doc:"Folder of the wrapped keys, and of the secrets made in development: on a disk that lasts, and in no backup of the data, so that erasing a person's key erases what they wrote. The folder keys below DATA_DIR by default."`
	MongoURI      MongoURI      `env:"MONGODB_URI" doc:"Address of a MongoDB replica set (one node is enough), such as mongodb://user:password@db.example.com/pryde?replicaSet=rs0: the data is kept there, in the database that it names (pryde where it names none), and the wrapped keys in the database of that name with _keys behind it. Unset: the embedded database in DATA_DIR."`
	MongoTimeout  time.Duration `env:"MONGODB_TIMEOUT" envDefault:"10s" doc:"How long one operation on MongoDB may take."`
	MongoBackfill bool          `env:"MONGODB_BACKFILL" envDefault:"true" doc:"Gives all messages of the former server their places in the background. false puts that off: a conversation gets them when somebody opens it, and lists are slower."`
	JournalDir    string        `env:"JOURNAL_DIR" doc:"Folder on a disk that lasts, of this instance alone: messages sent while MongoDB is away are kept there, acknowledged, and stored later. An instance that has one never stands by. Unset: messages are refused while MongoDB is away. Only with MONGODB_URI."`
	SealFormat    SealFormat    `env:"SEAL_FORMAT" envDefault:"current" doc:"current, or legacy: writes message texts and passwords as the former server does, so that a way back to it stays open during a trial. legacy is weaker; only with MONGODB_URI, and in production only with SEAL_FORMAT_UNTIL."`
	SealUntil     Day           `env:"SEAL_FORMAT_UNTIL" doc:"The last day, such as 2026-01-31 (UTC), on which the server starts with SEAL_FORMAT=legacy."`
	FilesDir      string        `env:"FILES_DIR" doc:"Folder of uploaded files, sealed. The folder files below DATA_DIR by default. With S3_ENDPOINT only what is on its way in lies there."`
	FilesQuota    int           `env:"FILES_QUOTA_MB" envDefault:"1024" doc:"Megabytes of files that one person may have stored, at least 1."`
	S3Endpoint    Endpoint      `env:"S3_ENDPOINT" doc:"Address of an S3-compatible store, such as https://s3.example.com: uploaded files are kept there instead of FILES_DIR."`
	S3Bucket      string        `env:"S3_BUCKET" doc:"The bucket that they are kept in. It must be there."`
	S3Region      string        `env:"S3_REGION" envDefault:"us-east-1" doc:"The region of the bucket."`
	S3AccessKey   string        `env:"S3_ACCESS_KEY" doc:"The name of the key to the bucket."`
	S3SecretKey   Secret        `env:"S3_SECRET_KEY" doc:"The secret of the key to the bucket."`
	LogLevel      string        `env:"LOG_LEVEL" envDefault:"info" doc:"debug, info, warn or error."`
	CORSOrigins   Origins       `env:"CORS_ORIGINS" doc:"Origins whose pages may use the server, by comma, such as https://app.example.com. The server's own is always one; in development every port of localhost is too."`
	FrontendURL   Origins       `env:"FRONTEND_URL" doc:"A further allowed origin, under its former name."`
	RootDomain    string        `env:"ROOT_DOMAIN" doc:"Domain that the refresh cookie is set for in production, such as example.com. Empty: the server's own host."`
	Verification  Verification  `env:"EMAIL_VERIFICATION" envDefault:"off" doc:"off or required. Where it is required, accounts that are made from then on cannot send messages until their e-mail address is verified with pryde admin verify-email USERNAME; the server sends no mail."`
	Proxies       Proxies       `env:"TRUSTED_PROXIES" doc:"Addresses or CIDRs, by comma, of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."`
	ServiceTokens SecretList    `env:"SERVICE_TOKENS" doc:"Tokens by comma, at least 32 characters each, that other services show in X-Service-Token. /metrics needs one."`
	Shutdown      time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"20s" doc:"How long a stop waits for what is being handled."`

	ConnectTimeout       time.Duration `env:"CONNECT_TIMEOUT" envDefault:"20s" doc:"From the opening of a transport to its CONNECT packet."`
	AuthTimeout          time.Duration `env:"AUTH_TIMEOUT" envDefault:"10s" doc:"From the CONNECT packet of a socket to the verdict."`
	MaxConnections       int           `env:"SOCKET_MAX_CONNECTIONS_PER_USER" envDefault:"20" doc:"Sockets that one person may have; the oldest goes when there is one more."`
	MaxPendingPerAddress int           `env:"SOCKET_MAX_PENDING_PER_ADDRESS" envDefault:"256" doc:"Transports of one address (a /64 network of IPv6) that have not authenticated; more are answered 429."`
	Polling              bool          `env:"POLLING" envDefault:"true" doc:"Whether clients may connect over HTTP long-polling and upgrade from it to WebSocket. Without it only WebSocket is served."`

	JWTSecret        Secret        `env:"JWT_SECRET" doc:"Signs access tokens; at least 32 characters (16 in development). Made on the first start in development."`
	JWTRefreshSecret Secret        `env:"JWT_REFRESH_SECRET" doc:"Signs refresh tokens; at least 32 characters (16 in development), another one than JWT_SECRET. Made on the first start in development."`
	MessageKey       seal.Key      `env:"MESSAGE_ENCRYPTION_KEY" doc:"64 hexadecimal digits: the master key that wraps the keys that seal what people write. Made on the first start in development. Without it the data cannot be read."`
	FormerKeys       seal.Keys     `env:"MESSAGE_ENCRYPTION_KEYS" doc:"Former master keys, by comma, the newest first: they unwrap what is not wrapped with MESSAGE_ENCRYPTION_KEY yet. After pryde keys rotate they can go, except one with which the former server encrypted, which stays last."`
	AccessExpiry     time.Duration `env:"ACCESS_TOKEN_EXPIRY" envDefault:"15m" doc:"Life of an access token."`
	RefreshExpiry    time.Duration `env:"REFRESH_TOKEN_EXPIRY" envDefault:"30d" doc:"Life of a refresh token."`

	IdleTimeout int64 `env:"SESSION_IDLE_TIMEOUT_MS" envDefault:"0" doc:"Milliseconds after which a session at which nobody is ends, at least 600000. A refresh and an open socket are activity. 0: never."`

	Retention time.Duration `env:"MESSAGE_RETENTION" envDefault:"0s" doc:"How old messages get, such as 365d. Older ones are removed, with their files. 0: they stay."`

	RateLimits      string  `env:"RATE_LIMITS" doc:"Changes single limits, such as send_message=5/1s:10,login=10/15m: 5 a second with a burst of 10; 10 in 15 minutes. Several for one operation are joined by +."`
	RateLimitFactor float64 `env:"RATE_LIMIT_FACTOR" envDefault:"1" doc:"Multiplies all limits; benchmarks and tests raise it."`
}

// An Environment is where the server runs.
type Environment string

// The environments.
const (
	Development Environment = "development"
	Production  Environment = "production"
)

// A Verification says whether people have to verify their e-mail addresses.
type Verification string

// The kinds of verification.
const (
	VerificationOff      Verification = "off"
	VerificationRequired Verification = "required"
)

// A SealFormat says how what people write is sealed.
type SealFormat string

// The formats.
const (
	SealCurrent SealFormat = "current"
	SealLegacy  SealFormat = "legacy"
)

// LoadConfig reads the variables and reports every mistake at once, each by its variable.
func LoadConfig(vars map[string]string) (Config, error) {
	c, err := env.ParseAsWithOptions[Config](env.Options{
		Environment: vars,
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[time.Duration](): func(s string) (any, error) { return parseDuration(s) },
		},
	})
	errs := byVariable(err)
	for _, e := range c.check() {
		name, _, _ := strings.Cut(e.Error(), ":")
		if !slices.ContainsFunc(errs, func(known error) bool { return strings.HasPrefix(known.Error(), name+":") }) {
			errs = append(errs, e) // what could not be read is not checked as well
		}
	}
	if vars["MESSAGE_ENCRYPTION_KEY"] != "" && c.MessageKey.IsZero() && len(byVariable(err)) == 0 {
		errs = append(errs, errors.New("MESSAGE_ENCRYPTION_KEY: must not be all zeros"))
	}
	if c.KeysDir == "" {
		c.KeysDir = filepath.Join(c.DataDir, "keys")
	}
	if c.FilesDir == "" {
		c.FilesDir = filepath.Join(c.DataDir, "files")
	}
	if c.Host == "" && c.Env != Production {
		c.Host = "127.0.0.1"
	}
	return c, errors.Join(errs...)
}

// byVariable rewords the mistakes that the library found, so that each begins with the name
// of its variable and never shows the value.
func byVariable(err error) []error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return nil
	}
	var out []error
	for _, e := range all.Errors {
		var parse env.ParseError
		if !errors.As(e, &parse) {
			out = append(out, e)
			continue
		}
		name := parse.Name
		if f, ok := reflect.TypeFor[Config]().FieldByName(parse.Name); ok {
			name = f.Tag.Get("env")
		}
		cause := parse.Err
		if num := (*strconv.NumError)(nil); errors.As(cause, &num) {
			cause = num.Err
		}
		out = append(out, fmt.Errorf("%s: %w", name, cause))
	}
	return out
}

func (c Config) check() []error {
	var errs []error
	expect := func(ok bool, name, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %s", name, want))
		}
	}
	expect(c.Env == Development || c.Env == Production, "APP_ENV", "want development or production")
	expect(c.Port > 0 && c.Port < 1<<16, "PORT", "want 1 to 65535")
	expect(c.DataDir != "", "DATA_DIR", "must not be empty")
	expect(c.RootDomain == "" || domainForm.MatchString(c.RootDomain) && len(c.RootDomain) <= maxDomain, "ROOT_DOMAIN", "want a domain such as example.com, without scheme and port")
	expect(c.Verification == VerificationOff || c.Verification == VerificationRequired, "EMAIL_VERIFICATION", "want off or required")
	expect(slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel), "LOG_LEVEL", "want debug, info, warn or error")
	expect(c.MaxConnections > 0, "SOCKET_MAX_CONNECTIONS_PER_USER", "want at least 1")
	expect(c.RateLimitFactor > 0 && !math.IsInf(c.RateLimitFactor, 0), "RATE_LIMIT_FACTOR", "want a number above 0")
	expect(c.MaxPendingPerAddress > 0, "SOCKET_MAX_PENDING_PER_ADDRESS", "want at least 1")
	expect(c.IdleTimeout == 0 || c.IdleTimeout >= minIdle && c.IdleTimeout <= maxIdle, "SESSION_IDLE_TIMEOUT_MS", "want 0, or 600000 to 31536000000")
	least := minSecret
	if c.Env != Production {
		least = minFormerSecret
	}
	for name, secret := range map[string]Secret{"JWT_SECRET": c.JWTSecret, "JWT_REFRESH_SECRET": c.JWTRefreshSecret} {
		expect(secret == "" || len(secret) >= least, name, fmt.Sprintf("want at least %d characters", least))
	}
	expect(c.JWTSecret == "" || c.JWTSecret != c.JWTRefreshSecret, "JWT_REFRESH_SECRET", "must differ from JWT_SECRET")
	if _, err := limit.Defaults().With(c.RateLimits); err != nil {
		errs = append(errs, fmt.Errorf("RATE_LIMITS: %w", err))
	}
	expect(c.Retention == 0 || c.Retention >= minRetention, "MESSAGE_RETENTION", "want 0, or 1d at least")
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if d, ok := reflect.ValueOf(c).FieldByIndex(f.Index).Interface().(time.Duration); ok && f.Name != "Retention" {
			expect(d >= shortest(f.Tag.Get("env")), f.Tag.Get("env"), "is too short")
		}
	}
	errs = append(errs, c.checkMongo(time.Now())...)
	errs = append(errs, c.checkFiles()...)
	if c.Env == Production {
		expect(c.JWTSecret != "", "JWT_SECRET", "is missing; make one with: openssl rand -hex 32")
		expect(c.JWTRefreshSecret != "", "JWT_REFRESH_SECRET", "is missing; make one with: openssl rand -hex 32")
		expect(!c.MessageKey.IsZero(), "MESSAGE_ENCRYPTION_KEY", "is missing; make one with: openssl rand -hex 32")
	}
	return errs
}

// checkMongo looks at what belongs to MongoDB.
func (c Config) checkMongo(now time.Time) []error {
	var errs []error
	expect := func(ok bool, name, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %s", name, want))
		}
	}
	shared := c.MongoURI != ""
	expect(c.JournalDir == "" || shared, "JOURNAL_DIR", "only with MONGODB_URI; the embedded database needs no journal")
	expect(c.SealFormat == SealCurrent || c.SealFormat == SealLegacy, "SEAL_FORMAT", "want current or legacy")
	if c.SealFormat != SealLegacy {
		expect(c.SealUntil.IsZero(), "SEAL_FORMAT_UNTIL", "only with SEAL_FORMAT=legacy")
		return errs
	}
	expect(shared, "SEAL_FORMAT", "legacy only with MONGODB_URI; the former server reads no other database")
	expect(c.Env != Production || !c.SealUntil.IsZero(), "SEAL_FORMAT_UNTIL",
		"is missing; in production SEAL_FORMAT=legacy needs the last day on which it may be used, such as 2026-01-31")
	expect(!c.SealUntil.Before(now), "SEAL_FORMAT_UNTIL", "has passed; remove SEAL_FORMAT=legacy")
	return errs
}

// maxQuota bounds FILES_QUOTA_MB.
const maxQuota = 1 << 20

// checkFiles looks at what belongs to uploaded files.
func (c Config) checkFiles() []error {
	var errs []error
	if c.FilesQuota < 1 || c.FilesQuota > maxQuota {
		errs = append(errs, fmt.Errorf("FILES_QUOTA_MB: want 1 to %d", maxQuota))
	}
	for _, v := range []struct {
		name string
		set  bool
	}{{"S3_BUCKET", c.S3Bucket != ""}, {"S3_ACCESS_KEY", c.S3AccessKey != ""}, {"S3_SECRET_KEY", c.S3SecretKey != ""}} {
		switch {
		case c.S3Endpoint == "" && v.set:
			errs = append(errs, fmt.Errorf("%s: only with S3_ENDPOINT", v.name))
		case c.S3Endpoint != "" && !v.set:
			errs = append(errs, fmt.Errorf("%s: is missing; S3_ENDPOINT needs it", v.name))
		}
	}
	return errs
}

// domainForm is that of a domain that a cookie can be set for: of two labels at least, the last
// of which begins with a letter, as that of no IP address does.
var domainForm = regexp.MustCompile(`(?i)^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// maxDomain is the longest name of a domain, in bytes.
const maxDomain = 253

// shortest is the least value of a duration.
func shortest(name string) time.Duration {
	if strings.HasSuffix(name, "_EXPIRY") {
		return time.Second
	}
	return time.Millisecond
}

const (
	// minSecret is the least length of a secret, in bytes.
	minSecret = 32
	// minFormerSecret is that of a token secret in development, where those of the former server
	// may be tried.
	minFormerSecret = 16
)

// Bounds of SESSION_IDLE_TIMEOUT_MS: sockets are looked at every five minutes, and nobody waits
// longer than a year.
const (
	minIdle = 600_000
	maxIdle = 365 * 24 * 3_600_000
)

// minRetention is the least of MESSAGE_RETENTION.
const minRetention = 24 * time.Hour

// A Secret is a value that never prints itself.
type Secret string

func (Secret) String() string   { return "(secret)" }
func (Secret) GoString() string { return "(secret)" }

// MarshalText keeps the value out of logs and JSON too.
func (Secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// A MongoURI is the address of a MongoDB. It never prints itself, since a password may be in it.
type MongoURI string

// UnmarshalText takes an address that looks like one; connecting tells the rest.
func (u *MongoURI) UnmarshalText(b []byte) error {
	scheme, rest, _ := strings.Cut(string(b), "://")
	if (scheme != "mongodb" && scheme != "mongodb+srv") || rest == "" {
		return errors.New("want an address such as mongodb://host:27017/pryde?replicaSet=rs0")
	}
	*u = MongoURI(b)
	return nil
}

func (MongoURI) String() string   { return "(secret)" }
func (MongoURI) GoString() string { return "(secret)" }

// MarshalText keeps the value out of logs and JSON too.
func (MongoURI) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// An Endpoint is the address of a store of files.
type Endpoint string

// UnmarshalText takes an address without a path.
func (e *Endpoint) UnmarshalText(b []byte) error {
	u, err := url.Parse(string(b))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return errors.New("want an address such as https://s3.example.com")
	}
	*e = Endpoint(u.Scheme + "://" + u.Host)
	return nil
}

// A Day is a day by UTC.
type Day struct{ time.Time }

// UnmarshalText reads a day such as 2026-01-31.
func (d *Day) UnmarshalText(b []byte) (err error) {
	if d.Time, err = time.Parse(time.DateOnly, string(b)); err != nil {
		return errors.New("want a day such as 2026-01-31")
	}
	return nil
}

// Before reports whether the whole day lies before t. No day is never before.
func (d Day) Before(t time.Time) bool { return !d.IsZero() && !t.Before(d.AddDate(0, 0, 1)) }

func (d Day) String() string {
	if d.IsZero() {
		return ""
	}
	return d.Format(time.DateOnly)
}

// A SecretList holds secrets given by comma.
type SecretList []Secret

// UnmarshalText reads secrets by comma, each of at least 32 characters.
func (l *SecretList) UnmarshalText(b []byte) error {
	*l = nil
	for _, s := range fields(string(b)) {
		if len(s) < minSecret {
			return errors.New("want at least 32 characters each")
		}
		*l = append(*l, Secret(s))
	}
	return nil
}

func (l SecretList) String() string { return fmt.Sprintf("(%d secrets)", len(l)) }

// Origins are origins by comma, each a scheme and a host without a path.
type Origins []string

// UnmarshalText reads origins by comma; a slash at the end is left out.
func (o *Origins) UnmarshalText(b []byte) error {
	*o = nil
	for _, s := range fields(string(b)) {
		u, err := url.Parse(s)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return fmt.Errorf("%q is no origin such as https://app.example.com", s)
		}
		*o = append(*o, strings.ToLower(u.Scheme+"://"+u.Host))
	}
	return nil
}

func (o Origins) String() string { return strings.Join(o, ",") }

// Proxies are addresses and CIDRs by comma.
type Proxies []netip.Prefix

// UnmarshalText reads addresses and CIDRs by comma.
func (p *Proxies) UnmarshalText(b []byte) error {
	*p = nil
	for _, s := range fields(string(b)) {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			at, err := netip.ParseAddr(s)
			if err != nil {
				return fmt.Errorf("%q is no address and no CIDR", s)
			}
			prefix = netip.PrefixFrom(at.Unmap(), at.Unmap().BitLen())
		}
		*p = append(*p, prefix)
	}
	return nil
}

func (p Proxies) String() string {
	out := make([]string, len(p))
	for i, prefix := range p {
		out[i] = prefix.String()
	}
	return strings.Join(out, ",")
}

// fields splits by comma and leaves out what is empty.
func fields(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// parseDuration reads 500ms, 10s, 15m, 12h and 30d.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 3650 {
			return 0, errors.New("want a duration such as 500ms, 10s, 15m or 30d")
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errors.New("want a duration such as 500ms, 10s, 15m or 30d")
	}
	return d, nil
}
