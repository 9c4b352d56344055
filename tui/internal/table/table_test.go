package table

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// item is "group/name" with a number, or the head of a group.
type item struct {
	id string
	n  float64
}

func (i item) group() string { return strings.Split(i.id, "/")[0] }

func items(ids ...string) (rows []item) {
	for i, id := range ids {
		rows = append(rows, item{id, float64(10 - i)})
	}
	return rows
}

func newTable() *Table[item] {
	return &Table[item]{
		ID: func(i item) string { return i.id },
		Columns: []screen.Column[item]{
			{Name: "NAME", Width: 8, Prio: 1, Cell: func(i item) (string, themes.Role) { return i.id, themes.Text }},
			{Name: "N/s", Width: 4, Prio: 2, Right: true, Value: func(i item) float64 { return i.n },
				Cell: func(i item) (string, themes.Role) { return screen.Rate(i.n), themes.Text }},
		},
	}
}

func (t *Table[T]) shown() (ids []string) {
	for i := range t.Len() {
		ids = append(ids, t.idAt(i))
	}
	return ids
}

func wants(t *testing.T, what string, got []string, want string) {
	t.Helper()
	if strings.Join(got, " ") != want {
		t.Errorf("%s: %q, not %q", what, got, want)
	}
}

func TestTheCursorGoesWithItsRow(t *testing.T) {
	now := time.Unix(1000, 0)
	tab := newTable()
	tab.Set(items("a", "b", "c", "d"), now)
	tab.Move(2)
	tab.Set(items("d", "c", "b", "a", "e"), now)
	if tab.CurrentID() != "c" || tab.JustGone(now) {
		t.Errorf("the cursor is on %s", tab.CurrentID())
	}
	tab.Set(items("d", "b", "a", "e"), now)
	if tab.CurrentID() != "b" || !tab.JustGone(now) || tab.JustGone(now.Add(Settle)) {
		t.Errorf("the row has gone: the cursor is on %s, just gone: %v", tab.CurrentID(), tab.JustGone(now))
	}
	tab.Move(1)
	if tab.JustGone(now) {
		t.Error("the operator has moved the cursor, and it still counts as gone")
	}
	tab.Jump(-1)
	tab.Move(5)
	if tab.CurrentID() != "e" {
		t.Errorf("the last row is %s", tab.CurrentID())
	}
}

func TestMarksGoWithTheirRows(t *testing.T) {
	tab := newTable()
	tab.Set(items("a", "b", "c", "d"), time.Time{})
	tab.Mark()
	tab.Move(1)
	tab.MarkRange() // a to c
	tab.Set(items("c", "a", "x"), time.Time{})
	tab.SetFilter("a")
	ids, hidden := tab.Chosen()
	wants(t, "chosen", ids, "c a")
	wants(t, "hidden", hidden, "c")
	if shown, all, marked, hid := tab.Counts(); shown != 1 || all != 3 || marked != 2 || hid != 1 {
		t.Errorf("counts %d of %d, %d marked, %d hidden", shown, all, marked, hid)
	}
	tab.Unmark()
	ids, _ = tab.Chosen()
	wants(t, "without marks", ids, "a")
}

func TestAFollowingCursor(t *testing.T) {
	left := 0
	tab := newTable()
	tab.Follow, tab.Unfollow = true, func() { left++ }
	tab.Set(items("b", "a"), time.Time{})
	tab.Set(items("c", "b", "a"), time.Time{})
	if tab.CurrentID() != "c" || !tab.Following() {
		t.Errorf("it does not follow: %s", tab.CurrentID())
	}
	tab.Move(1)
	tab.Move(1)
	tab.Set(items("d", "c", "b", "a"), time.Time{})
	if tab.CurrentID() != "a" || tab.Following() || left != 1 {
		t.Errorf("moved away: %s, following %v, told %d times", tab.CurrentID(), tab.Following(), left)
	}
	tab.Jump(0)
	if !tab.Following() {
		t.Error("back on the first row it does not follow")
	}
	tab.SetSort(1, true)
	if tab.Following() || left != 2 {
		t.Error("a sorted table follows")
	}
}

func TestGroupsStayTogether(t *testing.T) {
	tab := newTable()
	tab.Group, tab.Head = item.group, func(i item) bool { return !strings.Contains(i.id, "/") }
	tab.Set(items("x", "x/b", "x/a", "y", "y/c", "y/b"), time.Time{})
	if tab.CurrentID() != "x/b" {
		t.Errorf("the cursor starts on %s", tab.CurrentID())
	}
	if !tab.SortBy("name", false) || tab.SortBy("none", false) {
		t.Error("SortBy does not know its columns")
	}
	wants(t, "sorted", tab.shown(), "x x/a x/b y y/b y/c")
	tab.SetSort(2, true)
	wants(t, "by number, descending", tab.shown(), "x x/b x/a y y/c y/b")
	tab.SetFilter("y")
	wants(t, "a head by name", tab.shown(), "y y/c y/b")
	tab.SetFilter("n>8")
	wants(t, "only those that match", tab.shown(), "x x/b")
	if shown, all, _, _ := tab.Counts(); shown != 1 || all != 4 {
		t.Errorf("%d of %d: heads are counted", shown, all)
	}
	tab.MarkShown()
	if ids, _ := tab.Chosen(); !slices.Equal(ids, []string{"x/b"}) {
		t.Errorf("marked %q", ids)
	}
}

// The sickest rows, and the groups that have them, come first until another order is chosen; a
// column may sort across groups.
func TestTheSickestComeFirst(t *testing.T) {
	tab := newTable()
	tab.Group, tab.Head = item.group, func(i item) bool { return !strings.Contains(i.id, "/") }
	tab.Rank = func(i item) int { return map[string]int{"y/b": 2, "x/a": 1}[i.id] }
	tab.Columns[0].Across, tab.Columns[0].Order = true, func(i item) int { return -tab.Rank(i) }
	tab.Set(items("x", "x/b", "x/a", "y", "y/c", "y/b"), time.Time{})
	wants(t, "by sickness", tab.shown(), "y y/b y/c x x/a x/b")
	if tab.CurrentID() != "y/b" {
		t.Errorf("the cursor starts on %s", tab.CurrentID())
	}
	tab.SetSort(0, true)
	wants(t, "as they came", tab.shown(), "x x/b x/a y y/c y/b")
	tab.SortBy("name", false)
	wants(t, "over all rows", tab.shown(), "y/b x/a x x/b y y/c")
	if !tab.SortBy("n", false) || !tab.desc {
		t.Error("numbers start with the least")
	}
	if tab.SortBy("n", true); tab.desc {
		t.Error("they cannot be reversed")
	}
}

// A cursor that was never moved stays at the top, on the worst row; one that was moved stays with
// its row. A row that comes under an unmoved cursor counts as new.
func TestAnUntouchedCursorStaysAtTheTop(t *testing.T) {
	now := time.Unix(1000, 0)
	tab := newTable()
	tab.Last = func(i item) bool { return strings.HasPrefix(i.id, "ended") }
	tab.Set(items("a", "b", "ended1"), now)
	tab.Set(items("b", "c", "ended2", "a"), now)
	if tab.CurrentID() != "b" || !tab.JustGone(now) {
		t.Errorf("the cursor is on %s, just gone: %v", tab.CurrentID(), tab.JustGone(now))
	}
	tab.SetSort(1, true)
	wants(t, "sorted, what is last stays last", tab.shown(), "c b a ended2")
	if !tab.Select("a") || tab.Select("none") {
		t.Error("a row is not found by its id")
	}
	tab.Set(items("x", "y", "a"), now)
	if tab.CurrentID() != "a" {
		t.Errorf("moved, the cursor is on %s", tab.CurrentID())
	}
	tab.Clear()
	tab.Set(items("x", "a"), now)
	if tab.CurrentID() != "x" {
		t.Errorf("in a new table the cursor is on %s", tab.CurrentID())
	}
}

// However small the window, the cursor's row is drawn, and no line is wasted.
func TestDrawKeepsTheCursorInSight(t *testing.T) {
	tab := newTable()
	tab.Tall = func(i item) bool { return i.n > 7 }
	tab.Set(items("a", "b", "c", "d", "e", "f"), time.Time{}) // a, b and c are tall
	look := Look[item]{Focused: true, Names: true, Ellipsis: '~',
		Second: func(i item, c *screen.Canvas, x, y int) { c.Text(x, y, "of "+i.id, themes.Text) }}
	for h := 1; h < 12; h++ {
		for to := range 6 {
			tab.Jump(to)
			c := screen.New(20, h)
			used := tab.Draw(c, look)
			if !strings.Contains(c.Plain(), "> "+tab.CurrentID()) {
				t.Errorf("%d lines: %s is not visible:\n%s", h, tab.CurrentID(), c.Plain())
			}
			if all := 10; used < min(h, all)-1 { // a tall row above may not fit
				t.Errorf("%d lines, cursor on %s: %d used\n%s", h, tab.CurrentID(), used, c.Plain())
			}
		}
	}
	tab.Mark()
	c := screen.New(20, 12)
	tab.Draw(c, look)
	for _, want := range []string{"NAME      N/s", "of a", ">*f"} {
		if !strings.Contains(c.Plain(), want) {
			t.Errorf("%q is missing:\n%s", want, c.Plain())
		}
	}
}
