package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"pryde/internal/files"
	"pryde/internal/files/folder"
	"pryde/internal/files/s3"
	"pryde/internal/seal"
)

// megabyte is the unit of FILES_QUOTA_MB, in bytes.
const megabyte = 1 << 20

// objects keep what people upload.
type objects interface {
	files.Objects
	Close() error
}

// openObjects opens the folder of uploaded files, or the store in which they are kept instead.
func openObjects(ctx context.Context, c Config) (objects, error) {
	if c.S3Endpoint == "" {
		kept, err := folder.Open(c.FilesDir)
		if err != nil {
			return nil, fmt.Errorf("FILES_DIR: %w", err)
		}
		return kept, nil
	}
	kept, err := s3.Open(ctx, s3.Options{
		Endpoint: string(c.S3Endpoint), Bucket: c.S3Bucket, Region: c.S3Region, AccessKey: c.S3AccessKey, SecretKey: string(c.S3SecretKey),
	})
	if err != nil {
		return nil, fmt.Errorf("S3_ENDPOINT: %w", err)
	}
	return kept, nil
}

// openFiles makes the room of files over what keeps them.
func (r *rooms) openFiles(ctx context.Context, c Config, key [seal.KeySize]byte, log *slog.Logger) (err error) {
	if r.objects, err = openObjects(ctx, c); err != nil {
		return err
	}
	r.files, err = files.New(files.Options{
		Store: r.store, Objects: r.objects, Vault: r.vault, Key: key, Database: r.store.Database(),
		Spool: filepath.Join(c.FilesDir, "spool"), Quota: int64(c.FilesQuota) * megabyte, Rand: rand.Reader, Log: log, Now: time.Now,
	})
	return err
}
