package config

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRedactTakesSecretsOut(t *testing.T) {
	got, secrets, err := Redact("t.toml", `# the old password was comment-secret
[notify]
run = ["/bin/page", "--token", "notify-secret"]
[services.db]
listen = "127.0.0.1:1"
check = { type = "send-expect", send = "AUTH send-secret\r\n", expect_bytes = "+OK expect-secret" }
backends = [{ name = "a", addr = "127.0.0.1:2", restart = ["pg_ctl", "-U", "restart-secret"] }, "127.0.0.1:3"]
[services.db.hooks]
before_next = { run = ["reset", "hook-secret"] }
[services.web]
listen = "127.0.0.1:4"
backends = ["127.0.0.1:5"]
check = { type = "http", path = "/up?key=path-secret" }
[services.plain]
listen = "127.0.0.1:6"
backends = ["127.0.0.1:7"]
check = { type = "exec", run = ["probe"] }
`)
	if err != nil {
		t.Fatal(err)
	}
	want := `notify.run = ["/bin/page", "(arguments taken out: 2)"]
services.db.listen = ["127.0.0.1:1"]
services.db.backends[0].name = "a"
services.db.backends[0].addr = "127.0.0.1:2"
services.db.backends[0].restart = ["pg_ctl", "(arguments taken out: 2)"]
services.db.backends[1].name = "127.0.0.1:3"
services.db.backends[1].addr = "127.0.0.1:3"
services.db.check.type = "send-expect"
services.db.check.send = "(taken out)"
services.db.check.expect_bytes = "(taken out)"
[services.db.hooks]
[services.db.hooks.before_next]
services.db.hooks.before_next.run = ["reset", "(arguments taken out: 1)"]
services.web.listen = ["127.0.0.1:4"]
services.web.backends[0].name = "127.0.0.1:5"
services.web.backends[0].addr = "127.0.0.1:5"
services.web.check.type = "http"
services.web.check.path = "/up?(taken out)"
services.plain.listen = ["127.0.0.1:6"]
services.plain.backends[0].name = "127.0.0.1:7"
services.plain.backends[0].addr = "127.0.0.1:7"
services.plain.check.type = "exec"
services.plain.check.run = ["probe"]
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, secret := range []string{"notify-secret", "AUTH send-secret\r\n", "restart-secret", "hook-secret", "key=path-secret"} {
		if !slices.Contains(secrets, secret) {
			t.Errorf("%q is not among what was taken out: %q", secret, secrets)
		}
	}
	if _, _, err := Redact("t.toml", "[services"); err == nil {
		t.Error("an unreadable configuration was listed")
	}
}

// TestRedactKnowsEachCommand: every key in programs is marked as a command, so that Redact misses
// no new one.
func TestRedactKnowsEachCommand(t *testing.T) {
	text, err := os.ReadFile("testdata/product.toml")
	if err != nil {
		t.Fatal(err)
	}
	f := lenient(t, "product.toml", string(text))
	(&redaction{}).table(reflect.ValueOf(f).Elem())
	n := 0
	for path, argv := range f.programs() {
		if len(argv) > 1 {
			n++
			if len(argv) != 2 || !strings.HasPrefix(argv[1], "(arguments taken out") {
				t.Errorf("%s = %q", path, argv)
			}
		}
	}
	if n == 0 {
		t.Error("the example has no command with arguments")
	}
}
