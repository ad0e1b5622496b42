package wire

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"pryde/internal/order"
)

// A Database tells the sequences of two databases apart.
type Database [4]byte

// An Offset is a place in the sequence of one database, as clients keep it: "0" for the
// beginning, else eight hexadecimal digits, a full stop and the number.
type Offset struct {
	Database Database
	Seq      order.Seq
}

var errOffset = errors.New("an offset is 0 or eight hexadecimal digits, a full stop and a number")

// ParseOffset reads what String writes.
func ParseOffset(s string) (Offset, error) {
	if s == "0" {
		return Offset{}, nil
	}
	db, seq, ok := strings.Cut(s, ".")
	if !ok || len(db) != 8 || len(seq) > 18 {
		return Offset{}, errOffset
	}
	var o Offset
	if _, err := hex.Decode(o.Database[:], []byte(db)); err != nil {
		return Offset{}, errOffset
	}
	n, err := strconv.ParseUint(seq, 10, 62)
	if err != nil {
		return Offset{}, errOffset
	}
	o.Seq = order.Seq(n)
	return o, nil
}

func (o Offset) String() string {
	if o == (Offset{}) {
		return "0"
	}
	return hex.EncodeToString(o.Database[:]) + "." + strconv.FormatInt(int64(o.Seq), 10)
}

// MarshalText writes what String writes.
func (o Offset) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads what ParseOffset reads.
func (o *Offset) UnmarshalText(b []byte) (err error) {
	*o, err = ParseOffset(string(b))
	return err
}
