package files

import (
	"encoding/binary"
	"image"
)

// orientationIn finds in an Exif block how a camera was held: 1 to 8, or 0 where it does not say.
func orientationIn(tiff []byte) int {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 0
	}
	count := int64(order.Uint16(tiff[at:]))
	for i := range count {
		entry := at + 2 + 12*i
		if entry+12 > int64(len(tiff)) {
			return 0
		}
		const tagOrientation, typeShort = 0x0112, 3
		e := tiff[entry:]
		if order.Uint16(e) != tagOrientation || order.Uint16(e[2:]) != typeShort || order.Uint32(e[4:]) != 1 {
			continue
		}
		if o := int(order.Uint16(e[8:])); o >= 1 && o <= 8 {
			return o
		}
		return 0
	}
	return 0
}

// turned returns a picture as it is to be shown, without the help of an orientation.
func turned(m image.Image, orientation int) image.Image {
	if orientation <= 1 {
		return m
	}
	switch m := m.(type) {
	case *image.YCbCr:
		if ratio, ok := turnedRatio(m.SubsampleRatio, orientation); ok {
			return turnedYCbCr(m, ratio, orientation)
		}
	case *image.Gray:
		t := image.NewGray(turnedBounds(m.Rect, orientation))
		turn(t.Pix, t.Stride, m.Pix, m.Stride, m.Rect.Dx(), m.Rect.Dy(), 1, orientation)
		return t
	case *image.NRGBA:
		t := image.NewNRGBA(turnedBounds(m.Rect, orientation))
		turn(t.Pix, t.Stride, m.Pix, m.Stride, m.Rect.Dx(), m.Rect.Dy(), 4, orientation)
		return t
	}
	return turned(plain(m), orientation)
}

// sideways reports whether width and height change places.
func sideways(orientation int) bool { return orientation >= 5 }

func turnedBounds(r image.Rectangle, orientation int) image.Rectangle {
	if sideways(orientation) {
		return image.Rect(0, 0, r.Dy(), r.Dx())
	}
	return image.Rect(0, 0, r.Dx(), r.Dy())
}

// turnedRatio returns how the colors of a turned picture are sampled, and whether there is a
// picture that can be sampled so.
func turnedRatio(r image.YCbCrSubsampleRatio, orientation int) (image.YCbCrSubsampleRatio, bool) {
	switch r {
	case image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio420:
		return r, true
	case image.YCbCrSubsampleRatio422:
		if sideways(orientation) {
			return image.YCbCrSubsampleRatio440, true
		}
		return r, true
	case image.YCbCrSubsampleRatio440:
		if sideways(orientation) {
			return image.YCbCrSubsampleRatio422, true
		}
		return r, true
	}
	return r, false
}

func turnedYCbCr(m *image.YCbCr, ratio image.YCbCrSubsampleRatio, orientation int) image.Image {
	t := image.NewYCbCr(turnedBounds(m.Rect, orientation), ratio)
	w, h := m.Rect.Dx(), m.Rect.Dy()
	turn(t.Y, t.YStride, m.Y, m.YStride, w, h, 1, orientation)
	cw, ch := w, h
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		cw, ch = (w+1)/2, (h+1)/2
	case image.YCbCrSubsampleRatio422:
		cw = (w + 1) / 2
	case image.YCbCrSubsampleRatio440:
		ch = (h + 1) / 2
	}
	turn(t.Cb, t.CStride, m.Cb, m.CStride, cw, ch, 1, orientation)
	turn(t.Cr, t.CStride, m.Cr, m.CStride, cw, ch, 1, orientation)
	return t
}

// turn copies w times h values of some bytes each to where they belong.
func turn(to []byte, toStride int, from []byte, stride, w, h, bytes, orientation int) {
	for y := range h {
		row := from[y*stride:]
		for x := range w {
			tx, ty := x, y
			switch orientation {
			case 2:
				tx = w - 1 - x
			case 3:
				tx, ty = w-1-x, h-1-y
			case 4:
				ty = h - 1 - y
			case 5:
				tx, ty = y, x
			case 6:
				tx, ty = h-1-y, x
			case 7:
				tx, ty = h-1-y, w-1-x
			case 8:
				tx, ty = y, w-1-x
			}
			copy(to[ty*toStride+tx*bytes:ty*toStride+(tx+1)*bytes], row[x*bytes:(x+1)*bytes])
		}
	}
}
