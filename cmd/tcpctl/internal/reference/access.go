package reference

func (s *source) accessLog() ([]byte, error) {
	m := newMarkdown("Access log", "`access` in `[log]` names a file that gets one JSON object a line for each session, at its end; and every `access_flush` one for each session that goes on, so that its bytes are seen before a week-long session ends. "+
		"USR1 opens the file again after a rotation.")
	for _, part := range []struct{ name, title, about string }{
		{"access.ended", "A session that has ended", "`ended_by` and `reason` say how it ended; see [events](events.md) for the reasons."},
		{"access.ongoing", "A session that goes on", "It has `\"ongoing\": true`, and its numbers are so far."},
	} {
		m.heading(2, part.title)
		m.text(part.about)
		rows, err := s.rows(part.name)
		if err != nil {
			return nil, err
		}
		m.table([]string{"Field", "Type", "Meaning"}, rows)
	}
	return m.Bytes(), nil
}
