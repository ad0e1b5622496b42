package files_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image/color"
	"math"
	"strings"
	"testing"

	"pryde/internal/files"
)

// Pictures of one pixel.
const (
	lossyWebP    = "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"
	alphaWebP    = "UklGRkoAAABXRUJQVlA4WAoAAAAQAAAAAAAAAAAAQUxQSAwAAAARBxAR/Q9ERP8DAABWUDggGAAAABQBAJ0BKgEAAQAAAP4AAA3AAP7mtQAAAA=="
	animatedWebP = "UklGRlIAAABXRUJQVlA4WAoAAAASAAAAAAAAAAAAQU5JTQYAAAD/////AABBTk1GJgAAAAAAAAAAAAAAAAAAAGQAAABWUDhMDQAAAC8AAAAQBxAREYiI/gcA"
)

func decoded(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A sample is a file with what it is.
type sample struct {
	file    []byte
	kind    string // as it is sniffed
	made    string // as it is stored; empty: the same
	seconds float64
}

// samples are one of everything that is taken.
func samples(t testing.TB) map[string]sample {
	return map[string]sample{
		"jpeg":                      {file: jpegOf(t, painted(64, 48)), kind: "image/jpeg"},
		"png":                       {file: pngOf(t, painted(64, 48)), kind: "image/png"},
		"gif":                       {file: gifOf(t, 16, 16, 5), kind: "image/gif"},
		"webp, lossy":               {file: decoded(t, lossyWebP), kind: "image/webp", made: "image/jpeg"},
		"webp, transparent":         {file: decoded(t, alphaWebP), kind: "image/webp", made: "image/png"},
		"webp, lossless":            {file: riff("WEBP", lossless(40, 30, color.NRGBA{1, 2, 3, 255})), kind: "image/webp", made: "image/png"},
		"mp4":                       {file: movieOf("isom", 2500, make([]byte, 5000), "vide", "soun"), kind: "video/mp4", seconds: 2.5},
		"mov":                       {file: movieOf("qt  ", 2500, make([]byte, 5000), "vide"), kind: "video/quicktime", seconds: 2.5},
		"m4a":                       {file: movieOf("M4A ", 1200, make([]byte, 500), "soun"), kind: "audio/mp4", seconds: 1.2},
		"mp4 of a recorder":         {file: movieOf("iso5", 0, make([]byte, 500), "soun"), kind: "audio/mp4"},
		"mp4 in fragments, samples": {file: recordingOf(7, "sample"), kind: "audio/mp4", seconds: 7},
		"mp4 in fragments, heads":   {file: recordingOf(7, "fragment"), kind: "audio/mp4", seconds: 7},
		"mp4 in fragments, usual":   {file: recordingOf(7, "beginning"), kind: "audio/mp4", seconds: 7},
		"webm":                      {file: webmOf("webm", 3100, 1, 2), kind: "video/webm", seconds: 3.1},
		"webm of a recorder":        {file: webmOf("webm", 2440, 2), kind: "audio/webm", seconds: 2.44},
		"ogg with opus":             {file: opusOf(1500), kind: "audio/ogg", seconds: 1.5},
		"ogg with vorbis":           {file: append(page(2, 0, append([]byte("\x01vorbis\x00\x00\x00\x00\x01\x44\xac\x00\x00"), make([]byte, 14)...)), page(4, 44_100, make([]byte, 700))...), kind: "audio/ogg", seconds: 1},
		"ogg with theora":           {file: append(page(2, 0, []byte("\x80theora\x03\x02\x01")), page(4, 90, make([]byte, 9000))...), kind: "video/ogg"},
		"wav":                       {file: wavOf(750), kind: "audio/wav", seconds: 0.75},
		"mp3":                       {file: mp3Of(100, nil), kind: "audio/mpeg", seconds: 2.612},
		"mp3 with a tag":            {file: append(mp3Of(100, id3(300)), append([]byte("TAG"), make([]byte, 125)...)...), kind: "audio/mpeg", seconds: 2.612},
		"aac":                       {file: aacOf(100), kind: "audio/aac", seconds: 2.322},
		"flac":                      {file: flacOf(3), kind: "audio/flac", seconds: 3},
		"jpeg with a comment":       {file: behindStart(jpegOf(t, painted(8, 8)), segment(0xfe, []byte("no harm <b>in</b> this"))), kind: "image/jpeg"},
		"jpeg and its preview":      {file: append(jpegOf(t, painted(64, 48)), jpegOf(t, painted(8, 8))...), kind: "image/jpeg"},
	}
}

func TestContentTellsWhatAFileIs(t *testing.T) {
	for name, s := range samples(t) {
		kind, seconds, err := files.Sniff(s.file)

		if err != nil || kind != s.kind || math.Abs(seconds-s.seconds) > 0.002 {
			t.Errorf("%s: %s, %v s, error %v; want %s, %v s", name, kind, seconds, err, s.kind, s.seconds)
		}
	}
}

// refused are files that are not taken, by the code with which they are refused.
func refused(t testing.TB) map[string]struct {
	file []byte
	want error
} {
	type vector = struct {
		file []byte
		want error
	}
	const script = `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	page := []byte("<!DOCTYPE html><html><body><script>alert(1)</script></body></html>")
	archive := zipOf(t, "run.js", "alert(1)")
	picture, sound, movie := pngOf(t, painted(64, 48)), opusOf(500), movieOf("isom", 100, make([]byte, 3000), "vide")
	joined := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	return map[string]vector{
		"text":                           {[]byte("just some text, long enough to be looked at"), files.ErrType},
		"one byte":                       {[]byte{0xff}, files.ErrType},
		"a page":                         {page, files.ErrType},
		"svg":                            {[]byte(script), files.ErrType},
		"svg with a declaration":         {[]byte(`<?xml version="1.0"?>` + script), files.ErrType},
		"pdf":                            {[]byte("%PDF-1.7\n1 0 obj\n<< /OpenAction >>"), files.ErrType},
		"zip":                            {archive, files.ErrType},
		"gzip":                           {[]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), files.ErrType},
		"rar":                            {[]byte("Rar!\x1a\x07\x01\x00 and more of it"), files.ErrType},
		"7z":                             {[]byte("7z\xbc\xaf\x27\x1c\x00\x04 and more"), files.ErrType},
		"tar":                            {append(make([]byte, 257), "ustar\x0000"...), files.ErrType},
		"elf":                            {[]byte("\x7fELF\x02\x01\x01 and so on and on"), files.ErrType},
		"exe":                            {[]byte("MZ\x90\x00\x03\x00\x00\x00 and so on"), files.ErrType},
		"bmp":                            {append([]byte("BM\x46\x00\x00\x00"), make([]byte, 64)...), files.ErrType},
		"tiff":                           {append([]byte("II*\x00\x08\x00\x00\x00"), make([]byte, 64)...), files.ErrType},
		"ico":                            {append([]byte{0, 0, 1, 0, 1, 0}, make([]byte, 64)...), files.ErrType},
		"heic":                           {movieOf("heic", 0, nil, "pict"), files.ErrType},
		"avif with a video track":        {movieOf("avif", 0, nil, "vide"), files.ErrType},
		"mp4 without a track":            {movieOf("isom", 0, make([]byte, 100)), files.ErrType},
		"matroska":                       {webmOf("matroska", 500, 1), files.ErrType},
		"webm without a track":           {webmOf("webm", 500), files.ErrType},
		"ogg of something":               {joinedPages("fishead\x00and more"), files.ErrType},
		"avi":                            {riff("AVI ", riffChunk("hdrl", make([]byte, 60))), files.ErrType},
		"two frames of mp3":              {mp3Of(2, nil), files.ErrType},
		"png and zip":                    {joined(picture, archive), files.ErrType},
		"jpeg and zip":                   {joined(jpegOf(t, painted(8, 8)), archive), files.ErrType},
		"jpeg with zip in a comment":     {behindStart(jpegOf(t, painted(8, 8)), segment(0xfe, archive)), files.ErrType},
		"gif and a page":                 {joined(gifOf(t, 8, 8, 1), page), files.ErrType},
		"gif that is a script":           {[]byte("GIF89a=/*" + strings.Repeat(" ", 64) + "*/1;alert(1)"), nil},
		"png with a page in it":          {behindHeader(picture, pngChunk("tEXt", append([]byte("Comment\x00"), page...))), files.ErrType},
		"png with a script far behind":   {joined(picture, make([]byte, 200_000), []byte("<ScRiPt src=x>")), files.ErrType},
		"script across two windows":      {joined(picture, make([]byte, 64<<10-len(picture)-3), []byte("<script>"), make([]byte, 100)), files.ErrType},
		"pdf in a jpeg":                  {behindStart(jpegOf(t, painted(8, 8)), segment(0xfe, []byte("%PDF-1.4"))), files.ErrType},
		"php in a gif":                   {joined(gifOf(t, 8, 8, 1), []byte("<?php system($_GET['x']); ?>")), files.ErrType},
		"ogg and zip":                    {joined(sound, archive), files.ErrDamaged},
		"mp4 with zip in its media":      {movieOf("isom", 100, archive, "vide"), files.ErrType},
		"mp4 with a page in its media":   {movieOf("isom", 100, page, "vide"), files.ErrType},
		"mp4 and zip":                    {joined(movie, archive), files.ErrDamaged},
		"wav with rar behind":            {joined(wavOf(100), []byte("Rar!\x1a\x07\x00")), files.ErrType},
		"mp3 and a page":                 {joined(mp3Of(5, nil), page), files.ErrType},
		"mp4 without its end":            {movie[:len(movie)-100], files.ErrDamaged},
		"mp4 with a box of all":          {joined(movie, []byte("\xff\xff\xff\xffskip")), files.ErrDamaged},
		"mp4 with a box of nothing":      {joined(movie, []byte("\x00\x00\x00\x04skip")), files.ErrDamaged},
		"mp4 with half a box":            {joined(movie, []byte("\x00\x00")), files.ErrDamaged},
		"ogg without its end":            {sound[:len(sound)-10], files.ErrDamaged},
		"webm without its end":           {webmOf("webm", 500, 2)[:300], files.ErrDamaged},
		"webm with a number of 9 bytes":  {joined(webmOf("webm", 100, 2), []byte{0x00, 0x00}), files.ErrDamaged},
		"wav without sound":              {riff("WAVE", riffChunk("fmt ", make([]byte, 16))), files.ErrDamaged},
		"wav with a short format":        {riff("WAVE", riffChunk("fmt ", make([]byte, 4)), riffChunk("data", make([]byte, 100))), files.ErrDamaged},
		"flac without its first block":   {[]byte("fLaC\x84\x00\x00\x22" + strings.Repeat("x", 40)), files.ErrDamaged},
		"mp3 whose tag never ends":       {append([]byte("ID3\x04\x00\x00\x7f\x7f\x7f\x7f"), make([]byte, 500)...), files.ErrDamaged},
		"nothing but the beginning: ogg": {[]byte("OggS"), files.ErrDamaged},
	}
}

func joinedPages(first string) []byte {
	return append(page(2, 0, []byte(first)), page(4, 10, make([]byte, 300))...)
}

func TestWhatIsSomethingElseBesidesIsRefused(t *testing.T) {
	for name, v := range refused(t) {
		if v.want == nil {
			continue // it looks right, until it is decoded
		}
		if kind, _, err := files.Sniff(v.file); !errors.Is(err, v.want) {
			t.Errorf("%s: %q, error %v; want %v", name, kind, err, v.want)
		}
	}
}

func FuzzSniff(f *testing.F) {
	const short = 8 << 10 // long ones take the fuzzer's time
	for _, s := range samples(f) {
		if len(s.file) < short {
			f.Add(s.file)
		}
	}
	for _, v := range refused(f) {
		if len(v.file) < short {
			f.Add(v.file)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		kind, seconds, err := files.Sniff(file)
		known := errors.Is(err, files.ErrType) || errors.Is(err, files.ErrDamaged)
		if err != nil && !known || err == nil && kind == "" || seconds < 0 || math.IsNaN(seconds) {
			t.Errorf("%q, %v s, error %v", kind, seconds, err)
		}
	})
}
