package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingIsPrintedPastTheSanitizer: only screen.go uses the process's own stdout and stderr,
// except to find out whether they are a terminal.
func TestNothingIsPrintedPastTheSanitizer(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if file == "screen.go" || strings.HasSuffix(file, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		tree, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		asked := map[ast.Node]bool{} // os.Stdout in os.Stdout.Fd() and os.Stdout.Name()
		ast.Inspect(tree, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if sel.Sel.Name == "Fd" || sel.Sel.Name == "Name" {
				asked[sel.X] = true
			}
			from, _ := sel.X.(*ast.Ident)
			if from == nil || asked[sel] {
				return true
			}
			switch name := from.Name + "." + sel.Sel.Name; name {
			case "os.Stdout", "os.Stderr", "fmt.Print", "fmt.Println", "fmt.Printf":
				t.Errorf("%s: %s: print to stdout or stderr of screen.go, or to the command's", fset.Position(sel.Pos()), name)
			}
			return true
		})
	}
}
