// Package s3 keeps the sealed content of files in a bucket of an S3-compatible store. It knows
// neither what they are nor whose.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"pryde/internal/files"
)

const (
	// dialTimeout and answerTimeout bound how long a store says nothing.
	dialTimeout   = 5 * time.Second
	answerTimeout = 30 * time.Second
	// connections is how many are kept open.
	connections = 32
	// tries is how often an operation is tried in all.
	tries = 3
)

// Options say where the bucket is.
type Options struct {
	Endpoint  string // address of the store, such as https://s3.example.com
	Region    string
	Bucket    string // it has to be there
	AccessKey string
	SecretKey string
}

// A Bucket is a connection to a bucket. Its methods are safe for concurrent use.
type Bucket struct {
	client    *minio.Client
	transport *http.Transport
	name      string
}

var _ files.Objects = (*Bucket)(nil)

// Open checks that the bucket is there and that its owner is who asks. Errors do not repeat the
// keys. Close must be called.
func Open(ctx context.Context, o Options) (*Bucket, error) {
	endpoint, err := url.Parse(o.Endpoint)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "http" && endpoint.Scheme != "https" {
		return nil, errors.New("the address of the S3 store is not like https://s3.example.com")
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, TLSHandshakeTimeout: dialTimeout,
		ResponseHeaderTimeout: answerTimeout, MaxIdleConns: connections, MaxIdleConnsPerHost: connections, IdleConnTimeout: time.Minute,
		DisableCompression: true,
	}
	client, err := minio.New(endpoint.Host, &minio.Options{
		Creds: credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""), Secure: endpoint.Scheme == "https", Region: o.Region,
		Transport: transport, BucketLookup: minio.BucketLookupPath, MaxRetries: tries,
	})
	if err != nil {
		return nil, fmt.Errorf("open the S3 store: %w", err)
	}
	b := &Bucket{client: client, transport: transport, name: o.Bucket}
	switch there, err := client.BucketExists(ctx, o.Bucket); {
	case err != nil:
		return nil, errors.Join(fmt.Errorf("open the bucket %s: %w", o.Bucket, err), b.Close())
	case !there:
		return nil, errors.Join(fmt.Errorf("open the bucket %s: it is not there", o.Bucket), b.Close())
	}
	return b, nil
}

// Close ends the connections that nobody uses. It must be called once.
func (b *Bucket) Close() error {
	b.transport.CloseIdleConnections()
	return nil
}

// Put implements files.Objects: the object is there when the store has all of it.
func (b *Bucket) Put(ctx context.Context, key string, content io.Reader, size int64) error {
	_, err := b.client.PutObject(ctx, b.name, key, content, size, minio.PutObjectOptions{
		ContentType: "application/octet-stream", DisableMultipart: true,
	})
	if err != nil {
		return fmt.Errorf("store an object: %w", full(err))
	}
	return nil
}

// Open implements files.Objects.
func (b *Bucket) Open(ctx context.Context, key string) (files.Object, error) {
	switch _, err := b.client.StatObject(ctx, b.name, key, minio.StatObjectOptions{}); {
	case missing(err):
		return nil, files.ErrNoObject
	case err != nil:
		return nil, fmt.Errorf("open an object: %w", err)
	}
	return object(func(offset int64) (io.ReadCloser, error) {
		var o minio.GetObjectOptions
		if offset > 0 {
			if err := o.SetRange(offset, 0); err != nil {
				return nil, err
			}
		}
		core := minio.Core{Client: b.client}
		content, _, _, err := core.GetObject(ctx, b.name, key, o)
		if err != nil {
			return nil, fmt.Errorf("read an object: %w", err)
		}
		return content, nil
	}), nil
}

// An object reads an object of the bucket from an offset on.
type object func(offset int64) (io.ReadCloser, error)

func (o object) From(offset int64) (io.ReadCloser, error) { return o(offset) }

func (o object) Close() error { return nil }

// Delete implements files.Objects.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := b.client.RemoveObject(ctx, b.name, key, minio.RemoveObjectOptions{}); err != nil && !missing(err) {
		return fmt.Errorf("remove an object: %w", err)
	}
	return nil
}

// List implements files.Objects.
func (b *Bucket) List(ctx context.Context, prefix, after string, limit int) ([]files.Listed, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var list []files.Listed
	o := minio.ListObjectsOptions{Prefix: prefix, StartAfter: after, MaxKeys: limit, Recursive: true}
	for found := range b.client.ListObjectsIter(ctx, b.name, o) {
		if found.Err != nil {
			return nil, fmt.Errorf("list objects: %w", found.Err)
		}
		if list = append(list, files.Listed{Key: found.Key, Modified: found.LastModified}); len(list) == limit {
			break
		}
	}
	return list, nil
}

// missing reports whether an error says that there is no such object.
func missing(err error) bool {
	code := minio.ToErrorResponse(err).Code
	return code == "NoSuchKey" || code == "NotFound"
}

// full marks the errors of a store that has no room.
func full(err error) error {
	switch answer := minio.ToErrorResponse(err); {
	case answer.StatusCode == http.StatusInsufficientStorage, strings.Contains(answer.Code, "QuotaExceeded"), answer.Code == "XMinioStorageFull":
		return files.ErrNoSpace.Because(err)
	}
	return err
}
