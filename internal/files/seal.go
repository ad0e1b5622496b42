package files

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"pryde/internal/seal"
)

// A file is sealed in chunks, so that a part of it can be read by itself. Each chunk is bound to
// the name of the file, to its place in it and to whether it is the last, so that no chunk can be
// moved, left out or cut off unnoticed. A key seals one file and no other: the number of a chunk is
// its nonce.
const (
	chunkSize   = 64 << 10
	tagSize     = 16
	sealedChunk = chunkSize + tagSize
	fileContext = "pryde file 1\x00"
)

// A fileKey seals one file.
type fileKey [seal.KeySize]byte

// chunks returns how many chunks a file has. An empty file has one.
func chunks(size int64) int64 { return max(1, (size+chunkSize-1)/chunkSize) }

// sealedSize returns the size of a file once it is sealed.
func sealedSize(size int64) int64 { return size + chunks(size)*tagSize }

// A cabinet seals and opens the chunks of one file.
type cabinet struct {
	aead cipher.AEAD
	name Name
}

func newCabinet(key fileKey, n Name) (cabinet, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return cabinet{}, fmt.Errorf("make a cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	return cabinet{aead, n}, err
}

// bound returns the nonce of a chunk and what it is bound to.
func (c cabinet) bound(chunk int64, last bool) (nonce, additional []byte) {
	nonce = make([]byte, 12)
	binary.BigEndian.PutUint64(nonce, uint64(chunk))
	if last {
		nonce[11] = 1
	}
	additional = append([]byte(fileContext), c.name[:]...)
	return nonce, append(additional, nonce...)
}

func (c cabinet) seal(into, plain []byte, chunk int64, last bool) []byte {
	nonce, additional := c.bound(chunk, last)
	return c.aead.Seal(into, nonce, plain, additional)
}

func (c cabinet) open(into, sealed []byte, chunk int64, last bool) ([]byte, error) {
	nonce, additional := c.bound(chunk, last)
	plain, err := c.aead.Open(into, nonce, sealed, additional)
	if err != nil {
		return nil, fmt.Errorf("chunk %d of a file: %w", chunk, seal.ErrTampered)
	}
	return plain, nil
}

// A sealer seals what is written to it. Close writes the last chunk and closes nothing.
type sealer struct {
	to      io.Writer
	cabinet cabinet
	chunk   int64
	plain   []byte
	sealed  []byte
	size    int64 // bytes written, unsealed
}

func newSealer(to io.Writer, c cabinet) *sealer {
	return &sealer{to: to, cabinet: c, plain: make([]byte, 0, chunkSize), sealed: make([]byte, 0, sealedChunk)}
}

func (s *sealer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		// A full chunk waits for what comes behind it: only then it is not the last.
		if len(s.plain) == chunkSize {
			if err := s.flush(false); err != nil {
				return n, err
			}
		}
		part := min(len(p), chunkSize-len(s.plain))
		s.plain = append(s.plain, p[:part]...)
		p = p[part:]
		n += part
		s.size += int64(part)
	}
	return n, nil
}

func (s *sealer) Close() error { return s.flush(true) }

func (s *sealer) flush(last bool) error {
	_, err := s.to.Write(s.cabinet.seal(s.sealed, s.plain, s.chunk, last))
	s.chunk++
	s.plain = s.plain[:0]
	return err
}

// A reader opens a sealed file, chunk by chunk, from wherever it is asked for. It is not safe for
// concurrent use.
type reader struct {
	object  Object
	cabinet cabinet
	size    int64
	at      int64

	sealed []byte
	plain  []byte // the chunk that was read last
	chunk  int64  // its number; -1: none
	stream io.ReadCloser
	next   int64 // the chunk that comes next in stream
}

func newReader(o Object, c cabinet, size int64) *reader {
	return &reader{object: o, cabinet: c, size: size, chunk: -1}
}

func (r *reader) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if chunk := r.at / chunkSize; chunk != r.chunk {
		if err := r.load(chunk); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.plain[r.at%chunkSize:])
	r.at += int64(n)
	return n, nil
}

// load reads a chunk. Chunks that follow each other come out of one stream.
func (r *reader) load(chunk int64) error {
	r.chunk = -1
	if r.stream == nil || r.next != chunk {
		if err := r.closeStream(); err != nil {
			return err
		}
		stream, err := r.object.From(chunk * sealedChunk)
		if err != nil {
			return fmt.Errorf("read a file: %w", err)
		}
		r.stream = stream
	}
	if r.sealed == nil {
		r.sealed, r.plain = make([]byte, sealedChunk), make([]byte, 0, chunkSize)
	}
	last := chunk == chunks(r.size)-1
	length := int64(chunkSize)
	if last {
		length = r.size - chunk*chunkSize
	}
	sealed := r.sealed[:length+tagSize]
	if _, err := io.ReadFull(r.stream, sealed); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = seal.ErrTampered // it is shorter than it was
		}
		return fmt.Errorf("read a file: %w", err)
	}
	plain, err := r.cabinet.open(r.plain[:0], sealed, chunk, last)
	if err != nil {
		return err
	}
	r.plain, r.chunk, r.next = plain, chunk, chunk+1
	return nil
}

var errSeek = errors.New("seek outside of a file")

func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errSeek
	}
	r.at = offset
	return offset, nil
}

func (r *reader) closeStream() error {
	if r.stream == nil {
		return nil
	}
	err := r.stream.Close()
	r.stream = nil
	return err
}

func (r *reader) Close() error { return errors.Join(r.closeStream(), r.object.Close()) }
