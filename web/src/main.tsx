import '@fontsource-variable/figtree/wght.css'
import { createRoot } from 'react-dom/client'
import { App } from './app'
import { provideRandomUuid } from './lib/uuid'
import './styles.css'

provideRandomUuid()

const place = document.getElementById('app')
if (place) createRoot(place).render(<App />)
