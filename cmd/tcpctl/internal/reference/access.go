package reference

func (s *source) accessLog() ([]byte, error) {
	m := newMarkdown("Access log", "`access` in `[log]` names a file that gets one line of JSON for each session when it ends, and one every `access_flush` for each live session, so that the bytes of a week-long session are seen before it ends. "+
		"USR1 reopens the file after a rotation.")
	for _, part := range []struct{ name, title, about string }{
		{"access.ended", "A session that has ended", "`ended_by` and `reason` say how it ended; see [events](events.md) for the reasons."},
		{"access.ongoing", "A session that goes on", "It has `\"ongoing\": true`, and its numbers are those so far."},
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
