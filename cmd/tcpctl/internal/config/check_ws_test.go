package config

import (
	"strings"
	"testing"
)

// An origin that no browser sends is a warning: some other client may send it.
func TestOriginsThatNoBrowserSends(t *testing.T) {
	f, err := Parse("desk.toml", []byte(`[services.desk]
listen = "127.0.0.1:8000"
backends = ["127.0.0.1:5900"]
[services.desk.ws]
origins = [
  "https://app.example.com/",
  "wss://app.example.com",
  "https://app.example.com:443",
  "app.example.com/desk",
  "",
  "HTTPS://App.example.com",
  "*.example.com", "https://*", "http://localhost:*", "file://", "null", "*",
]
`))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSpace(`
desk.toml:6: origin "https://app.example.com/" is not as browsers send it; write "https://app.example.com"
desk.toml:7: origin "wss://app.example.com" is not as browsers send it; write "https://app.example.com"
desk.toml:8: origin "https://app.example.com:443" is not as browsers send it; write "https://app.example.com"
desk.toml:9: origin "app.example.com/desk" is not as browsers send it; write "app.example.com"
desk.toml:10: origin "" is not as browsers send it; write "https://app.example.com"`)
	if got := f.Warnings().Error(); got != want {
		t.Errorf("it warns:\n%s\nnot:\n%s", got, want)
	}
}
