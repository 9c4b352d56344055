package text

import (
	"fmt"
	"math"
	"strconv"
)

// Bytes writes a size in binary units, in at most four columns: 0, 88M, 1.2G.
func Bytes(n float64) string {
	if n < 1000 {
		return strconv.Itoa(int(math.Round(max(n, 0))))
	}
	for _, unit := range "KMGTPE" {
		n /= 1024
		switch {
		case n < 9.95:
			return fmt.Sprintf("%.1f%c", n, unit)
		case n < 999.5:
			return fmt.Sprintf("%.0f%c", n, unit)
		}
	}
	return "huge"
}
