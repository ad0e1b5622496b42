//go:build unix

package filelock

import "testing"

func TestAFolderIsLockedOnce(t *testing.T) {
	dir := t.TempDir()
	first, err := Folder(dir)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := Folder(dir); err == nil {
		t.Error("a folder that is in use was locked again")
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := Folder(dir)
	if err != nil {
		t.Fatalf("a folder that is free again was not locked: %v", err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}
