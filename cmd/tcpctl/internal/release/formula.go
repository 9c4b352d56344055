package main

import (
	"bytes"
	"fmt"
	"os"
	"text/template"
)

var formula = template.Must(template.New("").Parse(`class Tcpctl < Formula
  desc "TCP services that can be maintained while clients are connected"
  homepage "https://github.com/tcpctl/tcpctl"
  version "{{.Version}}"
  license "MIT"
{{range .Systems}}
  on_{{.Name}} do
{{- range .Archives}}
    on_{{.CPU}} do
      url "https://github.com/tcpctl/tcpctl/releases/download/v{{$.Version}}/{{.File}}"
      sha256 "{{.Sum}}"
    end
{{- end}}
  end
{{end}}
  def install
    bin.install "tcpctl"
    man1.install Dir["man/*.1"]
    man5.install Dir["man/*.5"]
    man7.install Dir["man/*.7"]
    bash_completion.install "completions/bash" => "tcpctl"
    zsh_completion.install "completions/zsh" => "_tcpctl"
    fish_completion.install "completions/fish" => "tcpctl.fish"
    pkgetc.install "tcpctl.toml.example"
    doc.install Dir["docs/*"], "THIRD_PARTY_LICENSES.txt"
  end

  service do
    run [opt_bin/"tcpctl", "run", "--no-ui", "-c", etc/"tcpctl/tcpctl.toml"]
    keep_alive true
    log_path var/"log/tcpctl.log"
    error_log_path var/"log/tcpctl.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/tcpctl version")
    (testpath/"tcpctl.toml").write shell_output("#{bin}/tcpctl init")
    system bin/"tcpctl", "check", "-c", "tcpctl.toml"
  end
end
`))

type brewArchive struct{ CPU, File, Sum string }

type brewSystem struct {
	Name     string
	Archives []brewArchive
}

// formula writes the formula for Homebrew on macOS and Linux.
func (r *release) formula() error {
	var systems []brewSystem
	for _, s := range []struct{ os, name string }{{"darwin", "macos"}, {"linux", "linux"}} {
		of := brewSystem{Name: s.name}
		for _, cpu := range []struct{ arch, name string }{{"arm64", "arm"}, {"amd64", "intel"}} {
			file := r.archiveName(target{s.os, cpu.arch})
			sum, err := sumOf(r.file(file))
			if os.IsNotExist(err) { // not among the targets
				continue
			} else if err != nil {
				return err
			}
			of.Archives = append(of.Archives, brewArchive{cpu.name, file, sum})
		}
		if len(of.Archives) > 0 {
			systems = append(systems, of)
		}
	}
	var b bytes.Buffer
	if err := formula.Execute(&b, map[string]any{"Version": r.version, "Systems": systems}); err != nil {
		return fmt.Errorf("template: %w", err)
	}
	return r.put(r.file("tcpctl.rb"), b.Bytes())
}
