package mongostore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
)

const (
	// defaultName is the database where the address names none.
	defaultName = "pryde"

	// DefaultTimeout is how long one operation may take where nothing else is said.
	DefaultTimeout = 10 * time.Second

	appName = "pryde"
)

// What Connect refuses.
var (
	errStandalone = errors.New("the server is not a member of a replica set, and transactions need one:" +
		" start mongod with --replSet rs0 and run rs.initiate() once")
	errSharded = errors.New("the server is a mongos: sharded clusters are not supported, connect to a replica set")
)

// ConnectOptions say how to talk to a server.
type ConnectOptions struct {
	Timeout time.Duration // of one operation, retries included; DefaultTimeout where it is zero
}

// A Database is a connection to the replica set that keeps the data. Its methods are safe for
// concurrent use.
type Database struct {
	client  *mongo.Client
	data    *mongo.Database
	keys    *mongo.Database
	lease   *mongo.Database // the data over connections of its own: a renewal waits behind nothing
	timeout time.Duration
}

// leaseConnections is enough for one call and the one after it.
const leaseConnections = 2

// Connect connects to the database that uri names ("pryde" where it names none) and checks that
// the server is the primary of a replica set or knows it. A server that cannot be reached is a
// fault of fault.KindUnavailable; other errors do not pass by themselves. Errors do not repeat uri.
// Close must be called.
func Connect(ctx context.Context, uri string, o ConnectOptions) (_ *Database, err error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	address, err := connstring.ParseAndValidate(uri)
	if lookup, ok := errors.AsType[*net.DNSError](err); ok {
		return nil, fmt.Errorf("connect to MongoDB: %w", errStore.Because(lookup))
	}
	if err != nil {
		return nil, errors.New("the address of MongoDB is malformed: it is like mongodb://host:27017/pryde?replicaSet=rs0")
	}
	name := address.Database
	if name == "" {
		name = defaultName
	}
	client, err := mongo.Connect(clientOptions(uri, o))
	if err != nil {
		return nil, fmt.Errorf("connect to MongoDB: %w", err)
	}
	own, err := mongo.Connect(clientOptions(uri, o).SetMinPoolSize(0).SetMaxPoolSize(leaseConnections))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to MongoDB: %w", err), client.Disconnect(ctx))
	}
	d := &Database{
		client: client, data: client.Database(name), keys: client.Database(name + "_keys"), lease: own.Database(name),
		timeout: o.Timeout,
	}
	if err := d.check(ctx); err != nil {
		if away(err) && alone(ctx, address, clientOptions(uri, o)) {
			err = errStandalone
		}
		return nil, errors.Join(fmt.Errorf("connect to MongoDB: %w", unavailable(err)), d.Close())
	}
	return d, nil
}

func clientOptions(uri string, o ConnectOptions) *options.ClientOptions {
	durably := writeconcern.Majority()
	journaled := true
	durably.Journal = &journaled
	return options.Client().ApplyURI(uri).
		SetAppName(appName).
		SetTimeout(o.Timeout).
		SetServerSelectionTimeout(o.Timeout).
		SetConnectTimeout(o.Timeout).
		SetRetryWrites(true).
		SetRetryReads(true).
		SetReadPreference(readpref.Primary()).
		SetReadConcern(readconcern.Majority()).
		SetWriteConcern(durably)
}

// check asks the server what it is.
func (d *Database) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	h, err := greet(ctx, d.client)
	switch {
	case err != nil:
		return err
	case h.Msg == "isdbgrid":
		return errSharded
	case h.SetName == "":
		return errStandalone
	}
	return nil
}

// A greeting is what a server says of itself.
type greeting struct {
	SetName string `bson:"setName"`
	Begins  bool   `bson:"isreplicaset"` // started with --replSet, and nobody has run rs.initiate()
	Msg     string `bson:"msg"`          // isdbgrid for a mongos
}

func greet(ctx context.Context, client *mongo.Client) (h greeting, err error) {
	err = client.Database("admin").RunCommand(ctx, bson.D{is("hello", 1)}).Decode(&h)
	return h, err
}

// aloneTimeout is how long a server may take to say that it belongs to no replica set.
const aloneTimeout = 2 * time.Second

// alone reports whether the one server of an address that names a replica set belongs to none. The
// driver passes over it, as over one that does not answer.
func alone(ctx context.Context, address *connstring.ConnString, o *options.ClientOptions) bool {
	if address.ReplicaSet == "" || len(address.Hosts) != 1 || address.Scheme == connstring.SchemeMongoDBSRV {
		return false
	}
	o.ReplicaSet, o.Auth = nil, nil
	client, err := mongo.Connect(o.SetDirect(true).SetServerSelectionTimeout(aloneTimeout))
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, aloneTimeout)
	defer cancel()
	defer func() { _ = client.Disconnect(ctx) }() // nothing was written
	h, err := greet(ctx, client)
	return err == nil && h == greeting{}
}

// Name is the name of the database.
func (d *Database) Name() string { return d.data.Name() }

// Close ends the connections. It must be called once, after what uses the database was closed.
func (d *Database) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), d.timeout)
	defer cancel()
	return errors.Join(d.client.Disconnect(ctx), d.lease.Client().Disconnect(ctx))
}
