package sqlitestore

import (
	"testing"

	"pryde/internal/storetest"
)

func TestStoreKeepsItsPromisesAboutFiles(t *testing.T) {
	storetest.Uploads(t, func(t *testing.T) storetest.UploadStores {
		s := open(t, t.TempDir())
		return storetest.UploadStores{Uploads: s, Messages: s}
	})
}
