return grown('gen')
