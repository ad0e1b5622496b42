package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"pryde/internal/testkit/mongod"
)

const (
	// mongoCache bounds the cache of a MongoDB that is started here. By default it would be half
	// of the machine's memory.
	mongoCache = "1GB"
	// dropTimeout bounds the removal of a database.
	dropTimeout = time.Minute
)

// A mongoServer is the MongoDB of a run: the one that MONGODB_URI names, or a replica set of one
// node that is started for the run.
type mongoServer struct {
	uri    string
	server *mongod.Server // nil: it is somebody else's
	client *mongo.Client  // writes are journaled on a majority
}

// startMongo connects to the server at uri, and starts one in dir where uri is empty.
func startMongo(ctx context.Context, uri, dir string) (_ *mongoServer, err error) {
	m := &mongoServer{uri: uri}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	if uri == "" {
		if m.server, err = mongod.Start(ctx, mongod.Options{Dir: dir}); err != nil {
			return nil, err
		}
		m.uri = m.server.URI("")
		if _, err = m.server.Command(ctx, bson.D{
			{Key: "setParameter", Value: 1}, {Key: "wiredTigerEngineRuntimeConfig", Value: "cache_size=" + mongoCache},
		}); err != nil {
			return nil, fmt.Errorf("set the cache of MongoDB: %w", err)
		}
	}
	durably := writeconcern.Majority()
	journaled := true
	durably.Journal = &journaled
	m.client, err = mongo.Connect(options.Client().ApplyURI(m.uri).SetWriteConcern(durably).SetReadConcern(readconcern.Majority()))
	if err != nil {
		return nil, errors.New("MONGODB_URI: the address is malformed")
	}
	return m, m.client.Ping(ctx, nil)
}

// version is that of the server.
func (m *mongoServer) version(ctx context.Context) (string, error) {
	var info struct {
		Version string `bson:"version"`
	}
	err := m.client.Database("admin").RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info)
	return info.Version, err
}

// fresh names a database that is not there, and its address.
func (m *mongoServer) fresh() (name, uri string) {
	name = "bench_" + secret()[:12]
	rest, query, _ := strings.Cut(m.uri, "?")
	scheme, hosts, _ := strings.Cut(rest, "://")
	hosts, _, _ = strings.Cut(hosts, "/")
	if query != "" {
		query = "?" + query
	}
	return name, scheme + "://" + hosts + "/" + name + query
}

// drop removes a database and the keys that belong to it.
func (m *mongoServer) drop(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
	defer cancel()
	if err := errors.Join(m.client.Database(name).Drop(ctx), m.client.Database(name+"_keys").Drop(ctx)); err != nil {
		return fmt.Errorf("drop the database: %w", err)
	}
	return nil
}

// close ends the connection, and the server where it was started here.
func (m *mongoServer) close() error {
	var errs []error
	if m.client != nil {
		ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
		defer cancel()
		errs = append(errs, m.client.Disconnect(ctx))
	}
	if m.server != nil {
		errs = append(errs, m.server.Close())
	}
	return errors.Join(errs...)
}

// plain returns a collection whose writes wait for no disk, to put data there quickly.
func (m *mongoServer) plain(database, name string) *mongo.Collection {
	return m.client.Database(database).Collection(name, options.Collection().SetWriteConcern(writeconcern.W1()))
}
