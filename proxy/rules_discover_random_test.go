package proxy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// wanted is rule 40a's outcome for one name.
type wanted struct {
	named   bool   // in the last answer
	given   int    // the weight in that answer
	weight  int    // set by an operator; 0: the source's
	admin   string // set by an operator; "": ready
	removed bool   // by an operator, and named by the source ever since
}

// TestRule40aRandomPrograms runs random answers, acts of operators and reloads on an
// engine, and after each compares all backends with a model of five fields: names are
// stable, and no answer reverts what an operator did.
func TestRule40aRandomPrograms(t *testing.T) {
	t.Parallel()
	names := strings.Split("abcdef", "")
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 40))
		c := discovering()
		c.Name, c.Listen, c.Check.Type = "db", []string{"127.0.0.1:0"}, "none"
		v := start(t, c)
		model := map[string]*wanted{}
		for _, n := range names {
			model[n] = &wanted{}
		}
		var program []string
		for range 150 {
			program = append(program, v.randomAct(rnd, c, names, model))
			if got, want := v.names(), wantedNames(names, model); got != want {
				t.Fatalf("seed %d: after\n%s\nthere is %q, not %q", seed, strings.Join(program, "\n"), got, want)
			}
		}
		v.Close()
	}
}

// randomAct applies one action to engine and model, and describes it.
func (v *visit) randomAct(rnd *rand.Rand, c proxy.ServiceConfig, names []string, model map[string]*wanted) string {
	name := names[rnd.IntN(len(names))]
	m, b := model[name], v.svc.Backend(name)
	switch act := rnd.IntN(10); {
	case act < 4:
		return v.randomAnswer(rnd, names, model)
	case act == 4:
		c.IdleTimeout = time.Duration(1+rnd.IntN(1000)) * time.Hour
		v.apply(c)
		return "reload"
	case b == nil:
		return "nothing"
	case act == 5:
		b.Ready("ana", "")
		m.admin = ""
	case act == 6:
		b.Remove(proxy.DrainOptions{By: "ana"})
		m.removed, m.admin, m.weight = true, "", 0
	case act == 7:
		m.weight = 1 + rnd.IntN(5)
		b.SetWeight(m.weight, "ana", "")
		m.settle()
		return fmt.Sprint("weight ", name, m.weight)
	case act == 8:
		b.Maint(proxy.DrainOptions{By: "ana"})
		m.admin = proxy.AdminMaint
	default:
		b.Drain(proxy.DrainOptions{By: "ana"})
		m.admin = proxy.AdminDrain
	}
	return fmt.Sprintf("%+v %s", *m, name)
}

func (v *visit) randomAnswer(rnd *rand.Rand, names []string, model map[string]*wanted) string {
	share := []int{0, 30, 70, 100}[rnd.IntN(4)]
	var all []proxy.BackendConfig
	for n, name := range names {
		m := model[name]
		if m.named = rnd.IntN(100) < share; !m.named {
			m.removed = false
			continue
		}
		m.given = 1 + rnd.IntN(5)
		m.settle()
		all = append(all, proxy.BackendConfig{Name: name, Addr: fmt.Sprintf("127.0.0.1:%d", 1+n), Weight: m.given, FoundBy: "srv"})
	}
	v.discovered(all...)
	return fmt.Sprintf("answer %+v", all)
}

// settle drops an operator's weight that equals the source's.
func (m *wanted) settle() {
	if m.weight == m.given {
		m.weight = 0
	}
}

func wantedNames(names []string, model map[string]*wanted) string {
	var words []string
	for _, name := range names {
		m := model[name]
		if !m.named || m.removed {
			continue
		}
		weight := m.given
		if m.weight != 0 {
			weight = m.weight
		}
		w := name
		if weight != 1 {
			w += fmt.Sprintf("=%d", weight)
		}
		if m.admin != "" {
			w += "/" + m.admin
		}
		words = append(words, w)
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}
