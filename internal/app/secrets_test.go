package app

import (
	"sync"
	"testing"
)

func TestStartsAtTheSameTimeKeepTheSameSecrets(t *testing.T) {
	t.Parallel()
	for range 20 {
		dir := t.TempDir()
		got := make([]kept, 8)
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() {
				k, err := keptSecrets(dir)
				if err != nil {
					t.Error(err)
				}
				got[i] = k
			})
		}
		all.Wait()
		onDisk, err := keptSecrets(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range got {
			if k != onDisk {
				t.Fatal("a start uses secrets that are not kept")
			}
		}
	}
}
